#include "advise/need.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>

#define CANCELED 125 /* the command itself has failed: the status of env(1) and its kin */

void *need(void *memory)
{
    if (!memory)
        errx(CANCELED, "there is no memory left");
    return memory;
}

char *need_text(const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = need(NULL);
    va_end(arguments);
    return text;
}

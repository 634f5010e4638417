#include "gate/findings.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/need.h"

/* A copy that every format can hold: XML knows no control characters, JSON nothing but UTF-8. */
static char *clean(const char *text)
{
    json_t *valid = json_string(text);
    char *copy = need(strdup(text));
    for (char *at = copy; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80 ? !valid : (*at < ' ' && *at != '\n') || *at == 0x7f)
            *at = '?';
    json_decref(valid);
    return copy;
}

struct finding *findings_add(struct findings *findings, enum verdict verdict, const char *rule,
                             const char *format, ...)
{
    char *message;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = need(NULL);
    va_end(arguments);
    findings->list =
        need(reallocarray(findings->list, findings->count + 1, sizeof *findings->list));
    struct finding *finding = &findings->list[findings->count++];
    *finding = (struct finding){verdict, clean(rule), clean(message), clean(""), 0, clean("")};
    for (char *at = finding->message; *at != '\0'; at++)
        if (*at == '\n')
            *at = ' ';
    free(message);
    return finding;
}

void finding_set_place(struct finding *finding, const char *file, unsigned long line)
{
    char *directory = getcwd(NULL, 0); /* NULL: removed, or out of sight */
    size_t length = directory ? strlen(directory) : 0;
    if (directory && strncmp(file, directory, length) == 0 && file[length] == '/')
        file += length + 1;
    free(directory);
    free(finding->file);
    finding->file = clean(file);
    finding->line = line;
}

void finding_set_details(struct finding *finding, const char *details)
{
    free(finding->details);
    finding->details = clean(details);
}

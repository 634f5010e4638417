#include "advise/quote.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"

static bool is_control(char character)
{
    return (unsigned char)character < ' ' || character == 0x7f;
}

void quote_controls(char *text)
{
    for (; *text != '\0'; text++)
        if (is_control(*text))
            *text = '?';
}

/* Control characters are in $'\033' in its own quotes, between the others. */
char *quote_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,+@%";
    char *quoted = need(malloc(sizeof "'$'\\033''" * strlen(word) + sizeof "''")), *end = quoted;
    if (*word != '\0' && word[strspn(word, plain)] == '\0')
        return strcpy(quoted, word);
    *end++ = '\'';
    for (const char *at = word; *at != '\0'; at++)
        if (*at == '\'')
            end = stpcpy(end, "'\\''");
        else if (is_control(*at))
            end += sprintf(end, "'$'\\%03o''", (unsigned)(unsigned char)*at);
        else
            *end++ = *at;
    strcpy(end, "'");
    return quoted;
}

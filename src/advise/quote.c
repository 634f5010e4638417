#include "advise/quote.h"

#include <stdlib.h>
#include <string.h>

#include "advise/need.h"

char *quote_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,+@%";
    /* A quote inside takes four characters. */
    char *quoted = need(malloc(4 * strlen(word) + 3)), *end = quoted;
    if (*word != '\0' && word[strspn(word, plain)] == '\0')
        return strcpy(quoted, word);
    *end++ = '\'';
    for (const char *at = word; *at != '\0'; at++)
        if (*at == '\'')
            end = stpcpy(end, "'\\''");
        else
            *end++ = *at;
    strcpy(end, "'");
    return quoted;
}

#include "base/parse.h"

#include <string.h>

bool parse_size(const char *text, size_t *value)
{
    size_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, (size_t)10, &number) ||
            __builtin_add_overflow(number, (size_t)(*at - '0'), &number))
            return false;
    }
    if (at == text)
        return false;
    unsigned shift = 0;
    switch (*at) {
    case 'G':
    case 'g':
        shift += 10; /* fall through */
    case 'M':
    case 'm':
        shift += 10; /* fall through */
    case 'K':
    case 'k':
        shift += 10;
        at++;
    }
    if (*at != '\0' || __builtin_mul_overflow(number, (size_t)1 << shift, &number))
        return false;
    *value = number;
    return true;
}

bool parse_word(const char *text, const char *const names[], size_t count, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

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

bool parse_is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool find_word(const char *text, size_t length, const char *const names[], size_t count,
                      size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (parse_is(text, length, names[i])) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool parse_word(const char *text, const char *const names[], size_t count, size_t *index)
{
    return find_word(text, strlen(text), names, count, index);
}

bool parse_words(const char *text, const char *const names[], size_t count, unsigned *set)
{
    unsigned found = 0;
    for (;;) {
        size_t index, length = strcspn(text, ",");
        if (!find_word(text, length, names, count, &index))
            return false;
        found |= 1U << index;
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    *set = found;
    return true;
}

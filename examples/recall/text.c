/* Text slices, hashes and stateless random numbers: see text.h. */
#include "text.h"

#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_term_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static int collation(char c)
{
    return c == ' ' ? '_' : lower(c);
}

struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

int text_compare(struct text a, struct text b)
{
    for (size_t i = 0; i < a.length && i < b.length; i++) {
        int difference = collation(a.start[i]) - collation(b.start[i]);
        if (difference != 0)
            return difference;
    }
    return (a.length > b.length) - (a.length < b.length);
}

struct text text_cut(struct text *rest, char end)
{
    const char *found = rest->length > 0 ? memchr(rest->start, end, rest->length) : NULL;
    struct text piece = *rest;

    if (!found) {
        *rest = (struct text){rest->start + rest->length, 0};
        return piece;
    }
    piece.length = (size_t)(found - rest->start);
    *rest = (struct text){found + 1, rest->length - piece.length - 1};
    return piece;
}

bool text_number(struct text text, unsigned base, uint32_t *number)
{
    uint64_t value = 0;

    if (text.length == 0)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = lower(text.start[i]);
        unsigned digit = c >= '0' && c <= '9'   ? c - (unsigned)'0'
                         : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10
                                                : base;
        if (digit >= base)
            return false;
        value = value * base + digit;
        if (value > UINT32_MAX)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

bool text_next_term(struct text *rest, uint64_t *hash)
{
    const char *at = rest->start, *end = rest->start + rest->length;
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    while (at < end && !is_term_byte(lower(*at)))
        at++;
    const char *start = at;
    for (; at < end && is_term_byte(lower(*at)); at++)
        h = (h ^ lower(*at)) * UINT64_C(0x100000001b3);
    *rest = (struct text){at, (size_t)(end - at)};
    *hash = mix64(h);
    return at > start;
}

uint64_t mix64(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t random_at(uint64_t seed, uint64_t index)
{
    return mix64(seed + (index + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t random_below(uint64_t random, uint32_t bound)
{
    return (uint32_t)(((random >> 32) * bound) >> 32);
}

float random_unit(uint64_t random)
{
    return (float)(random >> 40) * 0x1p-24f;
}

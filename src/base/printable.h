/*
 * Names that other programs made, for terminals.
 */
#ifndef BASE_PRINTABLE_H
#define BASE_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a character of UTF-8, and returns its length; 0 where there is none. */
static inline size_t read_character(const char *text, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)*text;
    size_t length = first < 0x80                   ? 1
                    : first < 0xc0 || first > 0xf4 ? 0
                    : first < 0xe0                 ? 2
                    : first < 0xf0                 ? 3
                                                   : 4;
    *character = length == 1 ? first : first & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | ((unsigned char)text[i] & 0x3f);
    }
    bool valid = length > 0 && *character >= least[length] && *character <= 0x10ffff &&
                 (*character & ~0x7ffU) != 0xd800;
    return valid ? length : 0;
}

/* What a terminal obeys instead of showing it: controls, line separators, and the marks that turn
 * the direction of what is around them; and what is no character in XML. */
static inline bool is_obeyed(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x61c ||
           character == 0x200e || character == 0x200f ||
           (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069) || character == 0xfffe ||
           character == 0xffff;
}

/* Each such character, and each byte that is of none, becomes '?'. The text does not grow. */
static inline void make_printable(char *text)
{
    char *to = text;
    while (*text != '\0') {
        uint32_t character;
        size_t length = read_character(text, &character);
        if (length == 0 || is_obeyed(character)) {
            *to++ = '?';
            text += length > 0 ? length : 1;
            continue;
        }
        while (length-- > 0)
            *to++ = *text++;
    }
    *to = '\0';
}

#endif

/*
 * Parsing of values that users write: in environment variables and on the command line.
 * Nothing here allocates or depends on the locale.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads decimal digits with an optional suffix K, M or G (or k, m, g: powers of 1,024) into
 * `*value`, in bytes. False, with `*value` unchanged, for anything else and for a number that
 * does not fit. */
bool parse_size(const char *text, size_t *value);

/* Reads `text` as one of the `count` words of `names` and stores its index. False, with `*index`
 * unchanged, when it is none of them. */
bool parse_word(const char *text, const char *const names[], size_t count, size_t *index);

#endif

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

/* Whether the `length` bytes of `text` are the word. */
bool parse_is(const char *text, size_t length, const char *word);

/* Reads `text` as one of the `count` words of `names` and stores its index. False, with `*index`
 * unchanged, when it is none of them. */
bool parse_word(const char *text, const char *const names[], size_t count, size_t *index);

/* Reads `text` as a comma list of such words, at least one, and stores the set of their indices as
 * bits. False, with `*set` unchanged, when an item is none of them. `count` is at most 32. */
bool parse_words(const char *text, const char *const names[], size_t count, unsigned *set);

#endif

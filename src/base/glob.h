/*
 * Globs as the C library's fnmatch has them, without character classes, byte by byte. That takes
 * kilobytes of stack where characters are longer, which a signal stack may not have.
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include <stdbool.h>

/* Whether the glob in [glob, end) fits the whole text. Async-signal-safe. */
bool glob_fits(const char *glob, const char *end, const char *text);

#endif

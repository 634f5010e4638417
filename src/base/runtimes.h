/*
 * Libraries that keep memory for themselves beyond any scope: to route their calls is no good
 * advice.
 */
#ifndef BASE_RUNTIMES_H
#define BASE_RUNTIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

static inline bool is_runtime(const char *name)
{
    static const char *const prefixes[] = {"libc.so",    "libc-",      "ld-linux",
                                           "libstdc++.", "libc++",     "libgcc_s",
                                           "libgomp.",   "libpthread", "libomp.so"};
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

#endif

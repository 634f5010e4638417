/*
 * Parts of unit tests that cannot run here: each says so in a line that scripts/test-in.sh counts,
 * as TAP has no place for it in what Check writes.
 */
#ifndef TESTS_LEFT_OUT_H
#define TESTS_LEFT_OUT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void leave_out(const char *part, const char *reason)
{
    dprintf(STDOUT_FILENO, "# SKIP: %s: %s\n", part, reason);
}

/* Whether an emulator runs the test, which says other things of memory and of limits than the
 * kernel: the part is left out then. */
static inline bool emulated(const char *part)
{
    bool is = getenv("EMULATED");
    if (is)
        leave_out(part, "emulated");
    return is;
}

#endif

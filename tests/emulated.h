/*
 * Whether an emulator runs the test (scripts/test-in.sh): it says other things of memory and of
 * limits than the kernel.
 */
#ifndef TESTS_EMULATED_H
#define TESTS_EMULATED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Says that this part of a test is left out then, in a line that scripts/test-in.sh counts: TAP has
 * no place for it in what Check writes. */
static inline bool emulated(const char *part)
{
    return getenv("EMULATED") && dprintf(STDOUT_FILENO, "# SKIP: %s: emulated\n", part) > 0;
}

#endif

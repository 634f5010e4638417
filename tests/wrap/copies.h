/*
 * Copies of first instructions, judged apart from the decoding in src/wrap: see fuzz_patch.c. A
 * file for each processor.
 */
#ifndef TESTS_WRAP_COPIES_H
#define TESTS_WRAP_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wrap/patch.h"

/* A copy that is read from front to back. */
struct copy {
    const unsigned char *bytes;
    size_t length, at; /* 0: there is no copy */
    uintptr_t address;
    uintptr_t base; /* what to add to addresses of the file */
};

/* What objdump says of an address of a file. */
struct listed {
    bool begins, is_target; /* an instruction begins there, a branch goes there */
    char kind;              /* for copies_judge */
    uint32_t names;         /* an address */
};

/* Enters objdump's text of an instruction. Returns where it branches to; 0: nowhere. */
uintptr_t copies_list(struct listed *listed, char *text);

/* The length of the overwritten instruction that many bytes on; 0: what follows is padding. */
size_t copies_step(const struct patch *patch, size_t done, bool *joined);

/* NULL, or what is wrong with a copy. Sets *reckons when it cannot lie everywhere. */
const char *copies_judge(const struct patch *patch, struct copy *copy, const struct listed *listed,
                         bool *reckons);

#endif

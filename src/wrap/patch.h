/*
 * Putting a jump at the entry of a function: the first instructions are decoded, copied in a form
 * that does the same at another address, and overwritten by a jump. x86-64 only.
 *
 * Code pages are never writable and executable at once: the function's pages are written through
 * the kernel (/proc/self/mem), the copies lie in pages that become executable when they are
 * complete.
 */
#ifndef WRAP_PATCH_H
#define WRAP_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/named.h"

/* What is known of a function. */
struct patch_function {
    uintptr_t start;
    size_t size;        /* bytes of its code that are known to be its own; 0 when unknown */
    uintptr_t text_end; /* end of the executable segment that holds it: nothing is read past it */
};

#define PATCH_BYTES_MAX 32
#define PATCH_COPY_MAX 256

struct patch {
    uintptr_t entry;                       /* first byte that is overwritten: behind an endbr64 */
    size_t length;                         /* bytes that are overwritten: whole instructions */
    unsigned char before[PATCH_BYTES_MAX]; /* what is there now */
    bool nops;                             /* they were nops left for this purpose */
};

/* Looks at a function, changes nothing. NULL when its entry can be patched, else the reason, for
 * messages, as in "cannot be wrapped: REASON". */
const char *patch_plan(const struct patch_function *function, struct patch *patch);

/*
 * Makes calls of the function go to `thunk` with r11 = named. Sets named->target to the copy of the
 * first instructions, which goes on in the function. NULL when done, else the reason; the function
 * is as it was then. A thread that is just inside the overwritten bytes must not exist.
 */
const char *patch_apply(const struct patch *patch, struct named_function *named, uintptr_t thunk);

/* An address that, called, goes to `thunk` with r11 = named, anywhere in memory; 0 when there is no
 * memory. For callers that are redirected otherwise. */
uintptr_t patch_stub(struct named_function *named, uintptr_t thunk);

#endif

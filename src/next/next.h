/*
 * The next allocator: what the dynamic linker finds behind the shim (glibc, or whichever allocator
 * is preloaded or linked behind it).
 *
 * The table starts out with pointers that look the real functions up and then call them, so that
 * no caller asks "is it resolved?", and calls that arrive before any constructor work. Memory that
 * the look-up itself asks for comes from a static buffer and is never given back.
 */
#ifndef SHIM_NEXT_H
#define SHIM_NEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "next/fixed.h"

/*
 * The next allocator for calls that come before start, when the table itself may not be usable yet:
 * the dynamic linker relocates a library's dependents before the library, and their IFUNC resolvers
 * may allocate. Until it has relocated this library no pointer in it can be followed, thread-local
 * variables are not where they should be, and no function of another library can be called. The
 * boot buffer needs none of these.
 *
 * next_is_relocated   false in that state; the functions below then use the boot buffer alone, and
 *                     otherwise the table
 * next_boot_alloc     only in that state: a zeroed block, aligned to 16 or `alignment` (a power of
 *                     two); NULL when the buffer is used up, without errno
 */
bool next_is_relocated(void);
void *next_boot_alloc(size_t size, size_t alignment);
void next_early_free(void *block);
void *next_early_realloc(void *block, size_t size);
size_t next_early_usable_size(void *block);

/* __libc_free and __libc_realloc, for blocks that are not ours; any time. */
void next_libc_free(void *block);
void *next_libc_realloc(void *block, size_t size);

/* Looks all entries up, unless that has happened. Any thread, at any time before fixed_seal(). */
void next_resolve(void);

#endif

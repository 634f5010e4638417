/*
 * Calls between modules: the dynamic linker's view of an exported function, and what it has made of
 * it already in the global offset tables (GOT).
 *
 * The function's entries in its module's dynamic symbol table are given another address. All
 * bindings from then on get that: lazy ones, those of libraries loaded later, and dlsym. What has
 * been bound before is rewritten, slot by slot: jump slots and addresses of functions
 * (R_X86_64_JUMP_SLOT, R_X86_64_GLOB_DAT) that hold the function's address. Memory that is
 * read-only is made writable for one store and is read-only again after it.
 *
 * Not caught: calls that do not go through such a slot (inside the module, by a pointer that was
 * taken before, through a table of constants such as a C++ vtable).
 */
#ifndef WRAP_SLOTS_H
#define WRAP_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wrap/object.h"

/* How many of the objects name one of the `count` symbols among what they call or take the address
 * of. */
size_t slots_importers(const struct object *objects, size_t object_count, const char *const *names,
                       size_t count);

/* Makes the dynamic linker hand out `replacement` for every symbol that `object` exports at the
 * address `function`. False, with nothing changed, when the memory cannot be written. */
bool slots_redirect_symbols(const struct object *object, uintptr_t function, uintptr_t replacement);

/* Replaces `function` in the slots of one object. False when one of them could not be written. */
bool slots_rewrite(const struct object *object, uintptr_t function, uintptr_t replacement);

#endif

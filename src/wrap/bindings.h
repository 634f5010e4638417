/*
 * Calls between modules: the dynamic linker's view of an exported function, and what it has made of
 * it already in the global offset tables (GOT).
 *
 * The function's entries in its module's dynamic symbol table are given another address. All
 * bindings from then on get that: lazy ones, those of libraries loaded later, and dlsym. What has
 * been bound before is rewritten: every word that the dynamic linker has filled by a symbol's name
 * (jump slots, addresses of functions in the GOT, and in data such as a C++ vtable), and that holds
 * the function's address. Memory that is read-only is made writable for one store and is read-only
 * again after it.
 *
 * Not caught: calls inside of the module that go to the function directly, and addresses that the
 * program has copied before. dladdr no longer finds the function's name.
 */
#ifndef WRAP_BINDINGS_H
#define WRAP_BINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wrap/object.h"

/*
 * Whether somebody has the function's address from elsewhere than the words that are rewritten: its
 * own module, which then reaches it by a distance or a relocation of its own (-Bsymbolic, protected
 * symbols), or whoever copied it before. Such an address would differ from those that are handed
 * out from now on, and a program may compare them. Looks at the module's code and at all modules'
 * data
 * (`objects` are all that are loaded), not at the heap.
 */
bool bindings_known_otherwise(const struct object *objects, size_t object_count,
                              const struct object *object, uintptr_t function);

/* How many of the objects name one of the `count` symbols among what they call or take the address
 * of. */
size_t bindings_importers(const struct object *objects, size_t object_count,
                          const char *const *names, size_t count);

/* Makes the dynamic linker hand out `replacement` for every symbol that `object` exports at the
 * address `function`. False, with nothing changed, when the memory cannot be written. */
bool bindings_redirect(const struct object *object, uintptr_t function, uintptr_t replacement);

/* Replaces `function` in what one object has bound. False when one of them could not be written. */
bool bindings_rewrite(const struct object *object, uintptr_t function, uintptr_t replacement);

#endif

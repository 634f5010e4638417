/*
 * Being told of libraries that are loaded later.
 *
 * dlopen itself cannot be interposed: where it looks for a library depends on its caller. But the
 * dynamic linker calls an empty function for debuggers (r_brk of struct r_debug) whenever it has
 * mapped or unmapped objects, and a jump is put there. glibc before 2.41 calls it when new objects
 * are mapped and not yet relocated, later versions when they are relocated; in both cases nothing
 * of theirs has run.
 */
#ifndef WRAP_LOADER_H
#define WRAP_LOADER_H

/* Has `changed` called, with the dynamic linker's lock held, each time that the set of loaded
 * objects has changed. NULL when that is settled, else the reason why it cannot be. */
const char *loader_watch(void (*changed)(void));

#endif

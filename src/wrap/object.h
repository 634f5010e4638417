/*
 * Loaded object files: the program and its libraries, as the dynamic linker lists them.
 */
#ifndef WRAP_OBJECT_H
#define WRAP_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object {
    const char *path; /* of its file */
    const char *name; /* its base name; of the program, what it was called by */
    uintptr_t base;   /* what is added to the addresses in the file */
    uintptr_t start, end;
    const ElfW(Phdr) * headers;
    size_t header_count;
    const ElfW(Dyn) * dynamic; /* NULL: none */
    bool is_program;
};

/* Which functions a spec without MODULE is looked for in, and which ones are left alone. */
enum object_kind {
    OBJECT_USUAL,
    OBJECT_SYSTEM, /* the C and C++ runtimes: only when MODULE names them */
    OBJECT_LOADER, /* the dynamic linker: nothing in it is wrapped */
    OBJECT_OWN,    /* the shim and what it is made of: nothing in it is wrapped */
    OBJECT_KERNEL, /* has no file */
};

enum object_kind object_kind(const struct object *object);

/* False where the program was started through the dynamic linker, as "ld.so PROGRAM": then that is
 * what /proc/self/exe leads to. */
bool object_is_executed(void);

/* Describes an object that dl_iterate_phdr reports. The texts are the dynamic linker's own, and are
 * gone when it is unloaded. */
void object_describe(const struct dl_phdr_info *info, struct object *object);

/* The loaded segment that holds the address; NULL when there is none. */
const ElfW(Phdr) * object_segment(const struct object *object, uintptr_t address);

/* Value of an entry of the dynamic section, 0 when it is not there; the same as an address of this
 * process. */
uintptr_t object_value(const struct object *object, ElfW(Sxword) tag);
uintptr_t object_address(const struct object *object, ElfW(Sxword) tag);

/* Whether the MODULE of a spec (NULL: none was given) means this object. */
bool object_fits(const struct object *object, const char *module);

#endif

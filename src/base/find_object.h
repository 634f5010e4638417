/*
 * _dl_find_object: the object file that holds an address. The C library has it since glibc 2.35;
 * built with another one, the shim exports it (process/find_object.c). It may run with a newer one
 * all the same, whose unwinders ask the shim: so the record is that of glibc.
 */
#ifndef BASE_FIND_OBJECT_H
#define BASE_FIND_OBJECT_H

#include <dlfcn.h>
#include <link.h>

#ifndef DLFO_EH_SEGMENT_TYPE
struct dl_find_object {
    unsigned long long dlfo_flags;
    void *dlfo_map_start, *dlfo_map_end;
    struct link_map *dlfo_link_map;
    void *dlfo_eh_frame; /* the segment PT_GNU_EH_FRAME, or NULL */
    unsigned long long dlfo_reserved[7];
};
/* 0, or -1 when no object file holds the address. Async-signal-safe. */
__attribute__((visibility("default"))) int _dl_find_object(void *address,
                                                           struct dl_find_object *result);
#endif

#endif

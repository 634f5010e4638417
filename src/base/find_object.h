/*
 * _dl_find_object: the object file that holds an address. The C library has it since glibc 2.35;
 * elsewhere the shim exports one (process/find_object.c), and no other field is known.
 */
#ifndef BASE_FIND_OBJECT_H
#define BASE_FIND_OBJECT_H

#include <dlfcn.h>
#include <link.h>

#ifndef DLFO_EH_SEGMENT_TYPE
struct dl_find_object {
    void *dlfo_map_start, *dlfo_map_end;
    struct link_map *dlfo_link_map;
    void *dlfo_eh_frame; /* the segment PT_GNU_EH_FRAME, or NULL */
};
/* 0, or -1 when no object file holds the address. Async-signal-safe. */
__attribute__((visibility("default"))) int _dl_find_object(void *address,
                                                           struct dl_find_object *result);
#endif

#endif

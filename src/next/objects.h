/*
 * The object files in the process, for _dl_find_object: those that the next one knows
 * (objects_next.c), or, where the C library has none, a snapshot of the loader's list
 * (objects_snapshot.c), or what of that list has been entered (objects_append.c). configure
 * chooses.
 */
#ifndef NEXT_OBJECTS_H
#define NEXT_OBJECTS_H

#include <stdbool.h>

#include "base/find_object.h"

/* Before what is settled at start is sealed. */
void objects_start(void);

/* As _dl_find_object. */
int objects_find(void *address, struct dl_find_object *result);

/* Something may have been unloaded, by a dlclose that has come back, or it leaves: it is about to
 * be. */
void objects_changed(bool leaves);

/* In the parent, and in the child: that of a process with several threads may not wait for the
 * loader. */
void objects_before_fork(void);
void objects_forked(void);

#endif

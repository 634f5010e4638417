/*
 * malloc_trim: the pages of idle arenas go back to the kernel.
 */
#ifndef ENGINE_TRIM_H
#define ENGINE_TRIM_H

#include <stdbool.h>
#include <stddef.h>

#include "thread/thread.h"

/* Gives the pages of idle arenas back, except the first `pad` bytes of each: the calling thread's
 * now, another thread's when it next begins a scope outside all others (only the owner knows that
 * it is idle). In a scope that retains the heap's free pages go. True when pages went back now. */
bool trim_arenas(size_t pad);

/* What trim_arenas asked for, by the owner. False when it has to wait for the end of scopes. */
bool trim_as_asked(struct thread *thread);

#endif

/*
 * The process's own environment, as far as it decides what children inherit of the shim. It is
 * edited where it lies, before main, and nothing is allocated but by the dynamic linker.
 */
#ifndef SHIM_ENVIRONMENT_H
#define SHIM_ENVIRONMENT_H

#include <stdbool.h>

#include "settings/values.h"

/* Whether ARENASHIM_MEMCHECK=1 keeps the shim idle in a process that memcheck does not watch, where
 * no other setting is looked at then: `arenashim check` can preload it onto the program only by way
 * of the shells and launchers that lead there. */
bool environment_wants_memcheck(void);

/*
 * - ARENASHIM_FOLLOW=0: this library is taken out of LD_PRELOAD; otherwise programs of another C
 *   library are spared it.
 * - ARENASHIM_MEMCHECK has served its turn, and is taken out.
 * - ARENASHIM_STATS_FILE without %p: the name gets an ending by which children, forked or
 *   executed, write files of their own instead of this process's. config->stats_file likewise.
 * - ARENASHIM_SCOPES or ARENASHIM_SCOPE_FILE with specs gets the same ending, by which children
 * know that to complain of the specs is their parent's business.
 */
void environment_settle(struct config *config);

/* The latter alone, for a process in which the shim is idle: writes the path of this library in
 * LD_PRELOAD in a way that musl's dynamic linker passes over. */
void environment_spare_others(void);

#endif

/*
 * Learned sites: the calls whose blocks have been found to outlive their scopes. Scopes that retain
 * what is alive (retain.h) send them to the next allocator, so that survivors do not keep chunks in
 * use. A site is the return address of the call.
 *
 * ARENASHIM_LEARN names a file of such sites, one "MODULE+0xOFFSET" a line: it is read at start,
 * each site becomes known when its module is met, and what was learned since is appended at exit.
 *
 * Entering takes no lock and may be done by any thread at any time.
 */
#ifndef SHIM_LEARN_H
#define SHIM_LEARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "route/modules.h"

#define LEARNED_SIZE 4096                  /* a power of two */
#define LEARNED_MAX (LEARNED_SIZE * 3 / 4) /* no more are entered: probing would become slow */

/* By the low bits of the address, the next free place if that is taken; 0 where nothing is. */
extern uintptr_t learned[LEARNED_SIZE];

static ALWAYS_INLINE size_t learn_place(uintptr_t caller)
{
    return caller & (LEARNED_SIZE - 1);
}

/* False when the site is certainly not learned. */
static ALWAYS_INLINE bool learn_may_know(uintptr_t caller)
{
    return UNLIKELY(__atomic_load_n(&learned[learn_place(caller)], __ATOMIC_RELAXED) != 0);
}

bool learn_knows(uintptr_t caller);

/* True when the site was new and is known now. */
bool learn_enter(uintptr_t caller);

/* Sites known. */
uint64_t learn_count(void);

/* Reads the file, if fixed.config.learn names one; at start, before any module is looked up. A
 * file that does not exist is empty. */
void learn_start(void);

/* Makes known what the file says of the module. */
void learn_module(const struct module *module);

/* Appends to the file; at exit. */
void learn_save(void);

#endif

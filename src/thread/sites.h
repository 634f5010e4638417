/*
 * Sites: where scopes are marked, and the statistics kept per site and thread.
 *
 * A site is recognised by what its two strings and its line say. Where they lie says it faster, but
 * only until a module is unloaded: another may have its own strings there then. Labels and file
 * names are copied when a site is first met, because the module that holds them may be gone before
 * the report.
 */
#ifndef SHIM_SITES_H
#define SHIM_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arenashim/scope.h>

#include "base/compiler.h"
#include "base/text.h"

/* Further sites share the last entry. */
#define SITES_MAX 512
#define SITE_CACHE_SIZE 32 /* a power of two */

struct site {
    const char *label; /* our copies */
    const char *file;
    uint32_t line;
    bool ready;
};

/* What one thread did in the scopes of one site. Written by that thread alone. */
struct site_stats {
    uint64_t scopes;
    uint64_t calls;       /* blocks drawn */
    uint64_t bytes;       /* asked for in them */
    uint64_t peak;        /* most bytes in use in one scope, nested scopes included; of one that
                           * retains, in the thread's heap */
    uint64_t overflows;   /* requests that did not fit in what was left of the capacity */
    uint64_t fallbacks;   /* of them, those that the next allocator served */
    uint64_t passed;      /* calls that were not routed; neither are fallbacks */
    uint64_t live_at_end; /* blocks that were dropped, not freed, when their scope ended */
    uint64_t survivors;   /* blocks that were alive at, and after, the end of their scope */
    uint64_t left_open;   /* scopes that an outer one's end, a jump or the exit closed */
    uint64_t pinned;      /* most bytes of the heap in use at such an end */
    int64_t ends_left;    /* ends that are not looked at before the next that is: looks.h */
    int64_t ends_cut;     /* of these, those that will not come before it */
    uint64_t looks;
    uint64_t trace_after; /* a scope beyond so many whose begin is slow is traced: trace.h */
};

/* Found by a hash of what the site says; saves the search through all sites. */
struct site_cache_entry {
    const char *label;
    const char *file;
    uint64_t numbers; /* line and flags */
    struct site_stats *stats;
};

static ALWAYS_INLINE uint64_t site_numbers(const arena_scope_site *site)
{
    uint64_t numbers;
    memcpy(&numbers, (const char *)site + offsetof(arena_scope_site, line), sizeof numbers);
    return numbers;
}

/* Where in the cache the site is. By what it says, not by where it lies: guards of C++ have theirs
 * on the stack, one in the place of another. */
static ALWAYS_INLINE size_t site_hash(const arena_scope_site *site)
{
    /* Labels of one translation unit lie side by side; lines differ where labels are NULL. */
    return (((uintptr_t)site->label >> 1) ^ site_numbers(site)) & (SITE_CACHE_SIZE - 1);
}

static ALWAYS_INLINE bool site_is_cached(const struct site_cache_entry *entry,
                                         const arena_scope_site *site)
{
    return LIKELY(entry->label == site->label) && LIKELY(entry->numbers == site_numbers(site)) &&
           LIKELY(entry->file == site->file);
}

/* Counts the processes from the first of a line of forks: statistics of another are void. */
extern HIDDEN unsigned sites_epoch;

/* The index of the site among all sites, entering it when it is new. No lock; may be called in a
 * signal handler. */
size_t sites_find(const arena_scope_site *site);

/* Whether they say the same. */
bool sites_equal(const struct site *a, const struct site *b);

/* The table, for reports: entries 0 .. sites_count()-1 that are `ready`. */
extern HIDDEN struct site sites_table[SITES_MAX];
size_t sites_count(void);
const struct site *sites_at(size_t index);

/* Appends "'label' (file:line)". */
void sites_describe(struct text *line, size_t index);

#endif

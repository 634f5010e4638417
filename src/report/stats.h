/*
 * The sums over all threads of what they counted.
 */
#ifndef SHIM_STATS_H
#define SHIM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "route/modules.h"
#include "thread/sites.h"

struct stats {
    uint64_t threads; /* that have had an arena */
    struct site_stats all_sites;
    uint64_t in_place; /* reallocs served without a new block */
    uint64_t freed;
    uint64_t ignored_frees;
    uint64_t paused;
    uint64_t interrupted;
    uint64_t unknown;
    uint64_t late_frees; /* of retained blocks, by other threads or out of scope */
    uint64_t not_participating;
    uint64_t by_module[MODULE_NAMES_MAX]; /* of these; by the lowest number of a name */
    uint64_t high_water;
    uint64_t need;
    uint64_t left_open;
    uint64_t other_stacks;
    uint64_t misuses;
};

/* Fills `stats`. Scopes that the calling thread has open count as left open when `at_exit`. */
void stats_collect(struct stats *stats, bool at_exit);

/* Calls served from an arena; calls made in a scope and not served from it. */
uint64_t stats_routed_calls(const struct stats *stats);
uint64_t stats_passed(const struct stats *stats);

/* The capacity, in bytes and whole pages, in which everything would have fitted. */
uint64_t stats_recommended_capacity(const struct stats *stats);

/* The sum for one site, with those equal to it by content; false when an equal site with a lower
 * index exists, or there is nothing to tell. A fork child may have drawn in a scope that its parent
 * has begun. */
bool stats_of_site(size_t index, struct site_stats *sum);

/* The scopes of the site, and of those equal to it by content, that were looked at and came to
 * 2^size bytes or more, and less than twice as many. */
uint64_t stats_of_size(size_t index, unsigned size);

/* The module with the most calls in by_module, of those with at most `below` calls or the same
 * number and an index above `after`; -1 when there is no further one. Start with UINT64_MAX, -1. */
int stats_next_module(const struct stats *stats, uint64_t below, int after);

#endif

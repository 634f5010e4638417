/*
 * Budgets: a file that says what the statistics of a run may come to, in all and by site.
 *
 *     {"format": 1,
 *      "total": {"overflows": 0, "routed_calls": {"min": 900, "max": 1100}},
 *      "sites": [{"label": "query", "file": "engine.c", "peak_bytes": 4194304}]}
 *
 * A limit is a number, the most, or an object with `min`, `max` or both. A site is known by
 * `label`, `file` (the end of its path) and `line`, of which those that are left out say nothing.
 */
#ifndef GATE_BUDGET_H
#define GATE_BUDGET_H

#include <jansson.h>
#include <stdbool.h>

#include "gate/findings.h"

#define BUDGET_FORMAT 1

/* Exits with one line when there is no such file, or it is no budget. */
json_t *budget_read(const char *file);

/* Whether it has a maximum of that figure in all. */
bool budget_limits(const json_t *budget, const char *figure);

/* Whether it says that the figure may be 0: by a minimum, or as the maximum. */
bool budget_allows_none(const json_t *budget, const char *figure);

/* Adds a finding for each limit that the statistics are not within, and for each site of the budget
 * that they do not know. `file` is the budget's name. */
void budget_judge(const json_t *budget, const char *file, const json_t *statistics,
                  struct findings *findings);

/* Writes `file` from the statistics, with that many percent of slack: the limits that `budget` has
 * with new numbers, and all figures of new sites; of everything when `budget` is NULL. Sites that
 * the statistics do not know are left out. Exits with one line when it cannot be written. */
void budget_update(const json_t *budget, const char *file, const json_t *statistics,
                   unsigned slack);

#endif

#include "advise/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "advise/expect.h"
#include "advise/need.h"
#include "advise/places.h"
#include "advise/records.h"
#include "advise/stacks.h"
#include "base/numbers.h"

/* ---- finding --------------------------------------------------------------------------------- */

/* Shares of all calls: what a candidate must promise, and what counts as equal. */
#define LEAST_SCORE 0.01
#define EQUAL 0.01

struct choice {
    const struct stack_function *function;
    double score; /* share of all calls that its scope may serve well */
    double place; /* the least are taken */
};

/* A block that outlives the scope costs about as much as two that do not gain. */
static double score_of(const struct stacks *stacks, const struct stack_function *function)
{
    double outliving = function->calls - function->inside;
    return (function->inside - outliving / 2) / stacks->calls;
}

static int compare_doubles(double a, double b)
{
    return a < b ? -1 : a > b;
}

/* The best first; of equals the outermost first. */
static int compare_scores(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;
    int order = compare_doubles(b->score, a->score);
    if (order == 0)
        order = compare_doubles(a->function->depth, b->function->depth);
    return order != 0 ? order
                      : compare_doubles((double)a->function->offset, (double)b->function->offset);
}

static int compare_depths(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;
    return compare_doubles(a->function->depth, b->function->depth);
}

static int compare_places(const void *left, const void *right)
{
    const struct choice *a = left, *b = right;
    int order = compare_doubles(a->place, b->place);
    return order != 0 ? order : compare_scores(left, right);
}

/* Gives places to a chain of functions that serve the same calls: the outermost is likely to be
 * called least often, the innermost to be the tightest; then come those that halve what lies
 * between. The second of a chain stands behind the first of the next few chains. */
static void place_chain(struct choice *chain, size_t count, size_t rank)
{
    enum { CHAINS_BETWEEN = 3 };
    qsort(chain, count, sizeof *chain, compare_depths);
    for (size_t i = 0; i < count; i++)
        chain[i].place = (double)(rank + CHAINS_BETWEEN * count);
    size_t taken = 0;
    chain[0].place = (double)rank;
    if (count > 1)
        chain[count - 1].place = (double)(rank + CHAINS_BETWEEN * ++taken);
    for (size_t parts = 2; parts < count; parts *= 2)
        for (size_t part = 1; part < parts; part += 2)
            chain[part * (count - 1) / parts].place = (double)(rank + CHAINS_BETWEEN * ++taken);
}

static size_t order_choices(struct choice *choices, size_t count)
{
    qsort(choices, count, sizeof *choices, compare_scores);
    size_t rank = 0;
    for (size_t first = 0, end; first < count; first = end, rank++) {
        for (end = first + 1; end < count; end++)
            if (choices[first].score - choices[end].score > EQUAL)
                break;
        place_chain(choices + first, end - first, rank);
    }
    qsort(choices, count, sizeof *choices, compare_places);
    return lower(count, CANDIDATES_MOST);
}

/* Whether two files that calls came through have the base name. */
static bool is_shared_name(const struct stacks *stacks, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (uint32_t i = 1; i <= stacks->function_count; i++) {
        const char *other = stacks->functions[i].module, *end = strrchr(other, '/');
        if (strcmp(end ? end + 1 : other, name) == 0 && strcmp(other, path) != 0)
            return true;
    }
    return false;
}

void candidates_find(struct advice *advice)
{
    struct stacks stacks;
    stacks_read(advice->sampled, &stacks);
    struct choice *choices = need(calloc(stacks.function_count + 1, sizeof *choices));
    size_t count = 0;
    for (uint32_t i = 1; i <= stacks.function_count; i++) {
        const struct stack_function *function = &stacks.functions[i];
        double score = stacks.calls > 0 ? score_of(&stacks, function) : 0;
        if (!function->starts && !function->is_system && score >= LEAST_SCORE &&
            places_is_called(function->module, function->offset))
            choices[count++] = (struct choice){.function = function, .score = score};
    }
    advice->candidate_count = order_choices(choices, count);
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct stack_function *function = choices[i].function;
        struct candidate *candidate = &advice->candidates[i];
        *candidate = (struct candidate){
            .calls = function->calls, .bytes = function->bytes, .inside = function->inside};
        places_function(function->module, function->offset, &candidate->place);
        candidate->spec = places_spec(&candidate->place, is_shared_name(&stacks, function->module));
    }
    free(choices);
    stacks_free(&stacks);
}

/* ---- proving --------------------------------------------------------------------------------- */

static bool take_proof(const struct record *record, struct candidate *candidate)
{
    uint32_t count = (uint32_t)lower(record->functions_named, RECORD_FUNCTIONS);
    for (uint32_t i = 0; i < count; i++) {
        const struct record_function *function = &record->functions[i];
        if (function->offset != candidate->place.offset ||
            strcmp(function->module, candidate->place.module) != 0)
            continue;
        candidate->proven = record_tally(record, i);
        candidate->is_proven = true;
        return candidate->proven.calls > 0;
    }
    return false;
}

static int compare_expected(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    int order = compare_doubles(a->expected, b->expected);
    return order != 0
               ? order
               : compare_doubles((double)a->proven.activations, (double)b->proven.activations);
}

void candidates_prove(struct advice *advice)
{
    double all = (double)records_sum(advice->proven).calls;
    size_t kept = 0;
    for (size_t i = 0; i < advice->candidate_count; i++) {
        struct candidate candidate = advice->candidates[i];
        if (!take_proof(advice->proven, &candidate)) {
            places_free(&candidate.place);
            free(candidate.spec);
            continue;
        }
        const struct record_tally *proven = &candidate.proven;
        double share = all > 0 ? 1 / all : 0;
        candidate.expected = expect_ratio(advice, share * (double)proven->inside,
                                          share * (double)(proven->calls - proven->inside),
                                          (double)proven->activations, 1);
        advice->candidates[kept++] = candidate;
    }
    advice->candidate_count = kept;
    qsort(advice->candidates, kept, sizeof *advice->candidates, compare_expected);
}

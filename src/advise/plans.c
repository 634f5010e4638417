#include "advise/plans.h"

#include <stdlib.h>
#include <string.h>

#include "advise/expect.h"
#include "advise/need.h"
#include "advise/places.h"
#include "advise/quote.h"
#include "advise/stacks.h"
#include "base/numbers.h"

/* What a plan must gain more for one function more, of plain's CPU time. */
#define WORTH_ONE_MORE 0.01

/* Expectations are rough, by this share of what allocation takes: so much worse than nothing is
 * measured, too. */
#define ROUGH 0.1

/* A set of candidates, a bit for each. */
typedef uint32_t candidate_set;
_Static_assert(CANDIDATES_MOST <= 32, "a set of candidates has a bit for each");

/* What the sampled stacks tell of sets of candidates: how much is drawn with any of them on it. */
struct cover {
    const struct advice *advice;
    struct stacks stacks;
    candidate_set *on_stack; /* for each frame: those of it and of its callers */
};

static void cover_start(struct cover *cover, const struct advice *advice)
{
    *cover = (struct cover){.advice = advice};
    struct stacks *stacks = &cover->stacks;
    stacks_read(advice->sampled, stacks);
    candidate_set *of_function = need(calloc(stacks->function_count + 1, sizeof *of_function));
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct place *place = &advice->candidates[i].place;
        of_function[stacks_find(stacks, place->module, place->offset)] |= UINT32_C(1) << i;
    }
    of_function[0] = 0;
    cover->on_stack = need(calloc(stacks->frame_count, sizeof *cover->on_stack));
    for (uint32_t i = 1; i < stacks->frame_count; i++)
        cover->on_stack[i] =
            cover->on_stack[stacks_parent(stacks, i)] | of_function[stacks->function[i]];
    free(of_function);
}

/* ---- expectations ---------------------------------------------------------------------------- */

static uint32_t lives_of(const struct record *record)
{
    return (uint32_t)lower(record->lives_used, RECORD_LIVES);
}

/* The share of what seems to die inside the candidate that does so: the sampled pass takes turns of
 * a loop for one, the exact one knows. */
static double truth_of(const struct candidate *candidate)
{
    double exact = (double)candidate->proven.inside / (double)candidate->proven.calls;
    double seen = candidate->inside / candidate->calls;
    return exact < seen ? exact / seen : 1;
}

/* What the set comes to. A block that outlives one of its functions may die in another one. */
static double expected_of(const struct cover *cover, candidate_set set)
{
    const struct advice *advice = cover->advice;
    const struct record *record = cover->stacks.record;
    double drawn = 0, inside = 0, activations = 0, truth[CANDIDATES_MOST];
    size_t functions = (size_t)__builtin_popcount(set);
    for (size_t i = 0; i < advice->candidate_count; i++) {
        truth[i] = set >> i & 1 ? truth_of(&advice->candidates[i]) : 0;
        if (set >> i & 1)
            activations += (double)advice->candidates[i].proven.activations;
    }
    for (uint32_t i = 1; i < cover->stacks.frame_count; i++)
        if (cover->on_stack[i] & set)
            drawn += (double)record->frames[i].calls;
    for (uint32_t i = 1; i < lives_of(record); i++) {
        const struct record_life *life = &record->lives[i];
        double most = 0;
        if (life->end != LIFE_INSIDE || life->bound >= cover->stacks.frame_count)
            continue;
        for (size_t k = 0; k < advice->candidate_count; k++)
            if ((cover->on_stack[life->bound] >> k & 1) && truth[k] > most)
                most = truth[k];
        inside += most * (double)life->calls;
    }
    double all = cover->stacks.calls > 0 ? cover->stacks.calls : 1;
    return expect_ratio(advice, inside / all, (drawn - inside) / all, activations, functions);
}

/* Blocks that other threads free gain nothing in a scope of the whole process or thread. */
static double expected_of_all(const struct cover *cover)
{
    const struct record *record = cover->stacks.record;
    double foreign = 0;
    for (uint32_t i = 1; i < lives_of(record); i++)
        if (record->lives[i].end == LIFE_OTHER)
            foreign += (double)record->lives[i].calls;
    double all = cover->stacks.calls > 0 ? cover->stacks.calls : 1;
    return expect_ratio(cover->advice, 1 - foreign / all, foreign / all, 0, 0);
}

/* ---- contenders ------------------------------------------------------------------------------ */

/* The text with more at its end; the old one is freed. */
static char *joined(char *before, const char *more)
{
    char *all = need_text("%s%s", before, more);
    free(before);
    return all;
}

_Static_assert(1 + 2 + 2 * PLANS_MOST <= CONTENDERS_MOST, "plain, process, thread, twins of plans");

static struct contender *add(struct advice *advice, enum contender_kind kind, double expected)
{
    struct contender *contender = &advice->contenders[advice->contender_count++];
    *contender = (struct contender){.kind = kind, .expected = expected};
    return contender;
}

/* The arena for what is alive at once in an activation, with headers, and half as much again: other
 * input may need more. */
static size_t capacity_of(const struct record_tally *proven)
{
    enum { HEADER = 32 };
    const size_t least = (size_t)64 << 10;
    double size = (double)proven->bytes / (double)proven->calls;
    double wanted = 1.5 * (double)proven->most_bytes * (size + HEADER) / (size > 1 ? size : 1);
    size_t capacity = least;
    while ((double)capacity < wanted && capacity < (size_t)1 << 30)
        capacity *= 2;
    return capacity;
}

/* In a scope that is reset the calls of its function's module are routed, and those of the modules
 * that are listed: all that call there, but for the runtimes, which keep what they draw. */
static char *modules_of(const struct cover *cover, candidate_set set)
{
    const struct stacks *stacks = &cover->stacks;
    char *modules = need(strdup(""));
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        const struct stack_function *function = &stacks->functions[stacks->function[i]];
        if (stacks->record->frames[i].calls == 0 || !(cover->on_stack[i] & set) ||
            stacks->function[i] == 0 || function->is_system)
            continue;
        const char *slash = strrchr(function->module, '/');
        const char *name = slash ? slash + 1 : function->module;
        char *item = need_text(",+%s,", name);
        char *list = need_text(",%s,", modules);
        /* A name with a comma cannot be listed. */
        if (!strstr(list, item) && !strchr(name, ',')) {
            item[strlen(item) - 1] = '\0';
            modules = joined(modules, modules[0] == '\0' ? item + 1 : item);
        }
        free(item);
        free(list);
    }
    if (modules[0] != '\0')
        return modules;
    free(modules);
    return NULL;
}

/* The options, and the name, by which people tell the plan from others. */
static void describe(const struct advice *advice, struct contender *contender)
{
    const char *end = contender->kind == RESET ? "reset:" : "";
    char *name = need(strdup("")), *options = need(strdup(""));
    for (size_t i = 0; i < contender->candidate_count; i++) {
        const struct candidate *candidate = &advice->candidates[contender->candidates[i]];
        const char *function = candidate->place.name;
        char *own =
            need_text("%s%s%.*s!%.*s", i > 0 ? "; " : "", end, (int)strcspn(candidate->spec, "!"),
                      candidate->spec, (int)places_bare(function), function);
        char *spec = need_text("%s%s", end, candidate->spec), *quoted = quote_word(spec);
        name = joined(name, own);
        options = joined(options, i > 0 ? " --scope " : "--scope ");
        options = joined(options, quoted);
        free(own);
        free(spec);
        free(quoted);
    }
    bool large = contender->capacity >= (size_t)1 << 20;
    char *capacity =
        need_text(" --capacity %zu%s", contender->capacity >> (large ? 20 : 10), large ? "M" : "K");
    options = joined(options, capacity);
    free(capacity);
    if (contender->modules) {
        char *quoted = quote_word(contender->modules);
        options = joined(options, " --modules ");
        options = joined(options, quoted);
        free(quoted);
    }
    contender->name = name;
    contender->options = options;
}

static void add_plan(struct advice *advice, const struct cover *cover, enum contender_kind kind,
                     candidate_set set)
{
    struct contender *plan = add(advice, kind, expected_of(cover, set));
    for (size_t i = 0; i < advice->candidate_count; i++)
        if (set >> i & 1) {
            size_t capacity = capacity_of(&advice->candidates[i].proven);
            plan->candidates[plan->candidate_count++] = i;
            plan->capacity = higher(plan->capacity, capacity);
        }
    if (kind == RESET)
        plan->modules = modules_of(cover, set);
    describe(advice, plan);
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* The set, and what each further function adds to it that is worth it, the most first. */
static candidate_set extended(const struct cover *cover, candidate_set set)
{
    for (size_t size = 1; size < SPECS_MOST; size++) {
        double least = expected_of(cover, set) - WORTH_ONE_MORE;
        candidate_set best = 0;
        for (size_t i = 0; i < cover->advice->candidate_count; i++) {
            candidate_set more = set | UINT32_C(1) << i;
            if (more != set && expected_of(cover, more) < least) {
                least = expected_of(cover, more);
                best = more;
            }
        }
        if (best == 0)
            break;
        set = best;
    }
    return set;
}

static bool is_worth_measuring(const struct advice *advice, const struct candidate *candidate)
{
    const struct record_tally *proven = &candidate->proven;
    return candidate->expected < 1 + ROUGH * advice->share && proven->inside > proven->calls / 10;
}

static bool is_near(uint64_t a, uint64_t b)
{
    return higher(a, b) - lower(a, b) <= higher(a, b) / 100;
}

/* Whether one above it in the order serves the same calls in the same activations, as in a chain of
 * functions that call one another once. */
static bool is_served(const struct advice *advice, size_t candidate)
{
    const struct record_tally *proven = &advice->candidates[candidate].proven;
    for (size_t i = 0; i < candidate; i++) {
        const struct record_tally *other = &advice->candidates[i].proven;
        if (is_near(other->activations, proven->activations) &&
            is_near(other->calls, proven->calls) && is_near(other->inside, proven->inside))
            return true;
    }
    return false;
}

/* The candidates are ordered, so that the best is the first. A second function alone is worth
 * measuring where it is expected to do about as well: expectations are rough. */
static size_t choose(const struct cover *cover, candidate_set plans[PLANS_MOST])
{
    const struct advice *advice = cover->advice;
    size_t count = 0;
    for (size_t i = 0; i < advice->candidate_count && count < PLANS_MOST; i++) {
        if (!is_worth_measuring(advice, &advice->candidates[i]) || is_served(advice, i))
            continue;
        plans[count++] = UINT32_C(1) << i;
        candidate_set more = count == 1 ? extended(cover, plans[0]) : plans[0];
        if (more != plans[0])
            plans[count++] = more;
    }
    return count;
}

/* Whether no activation of any had a block alive at its end, or one that somebody else freed. */
static bool is_seen_safe(const struct advice *advice, candidate_set set)
{
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct record_tally *proven = &advice->candidates[i].proven;
        if ((set >> i & 1) != 0 && (proven->surviving > 0 || proven->foreign > 0 ||
                                    proven->left > 0 || proven->inside != proven->calls))
            return false;
    }
    return true;
}

void plans_make(struct advice *advice)
{
    struct cover cover;
    candidate_set plans[PLANS_MOST];
    cover_start(&cover, advice);
    double all = expected_of_all(&cover);
    struct contender *process = add(advice, PROCESS, all);
    process->name = need_text("process");
    process->options = need_text("--scope process");
    if (advice->is_threaded) {
        struct contender *thread = add(advice, THREAD, all);
        thread->name = need_text("thread");
        thread->options = need_text("--scope thread");
    }
    size_t count = choose(&cover, plans);
    for (size_t i = 0; i < count; i++)
        add_plan(advice, &cover, FUNCTIONS, plans[i]);
    for (size_t i = 0; i < count; i++)
        if (is_seen_safe(advice, plans[i]))
            add_plan(advice, &cover, RESET, plans[i]);
    stacks_free(&cover.stacks);
    free(cover.on_stack);
}

size_t plans_alternative(const struct advice *advice)
{
    const struct contender *best = &advice->contenders[advice->best];
    size_t found = 0;
    if (advice->verdict != VERDICT_PLAN || (best->kind != PROCESS && best->kind != THREAD))
        return 0;
    for (size_t i = 1; i < advice->contender_count; i++) {
        const struct contender *plan = &advice->contenders[i];
        if (plan->kind == FUNCTIONS && plan->rounds > 0 && plan->differed == 0 &&
            plan->ratio_high < 1 && plan->ratio_low <= best->ratio_high &&
            (found == 0 || plan->ratio < advice->contenders[found].ratio))
            found = i;
    }
    return found;
}

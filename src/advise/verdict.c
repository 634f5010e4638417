#include "advise/verdict.h"

#include <stdlib.h>

#include "advise/need.h"

/* A gain of less of the CPU time is not worth a line of settings, and drowns in what a machine does
 * beside; at least so much of it is to be beyond doubt. A gain that nobody sees is not looked for
 * any longer when it can be no more than that. (Simulated: of verdicts on three contenders that
 * gain nothing, none in 1,500 is a wrong yes where runs vary by 2%, and three in 100 are at 4%.) */
#define GAIN_LEAST 0.03
#define GAIN_SURE 0.01
#define GAIN_UNSEEN 0.06

/* Ratios that differ by less are alike, however well they are known. */
#define TIE 0.02

/* Reasons for a no: allocation's share of the CPU time, and that of calls whose blocks die inside a
 * function, that are little. */
#define SHARE_LITTLE 0.05
#define INSIDE_LITTLE 0.1

/* A difference of memory that is worth a word. */
#define LEANER 0.2

/* Seconds of CPU time in which the shim's own start is seen. */
#define OVER_SOON 0.01

/* ---- contenders -------------------------------------------------------------------------------
 */

static bool is_measured(const struct contender *contender)
{
    return contender->rounds > 0 && contender->differed == 0;
}

static bool is_safe(const struct contender *contender)
{
    return contender->kind == PROCESS || contender->kind == THREAD || contender->kind == FUNCTIONS;
}

static bool pays(const struct contender *contender)
{
    return is_measured(contender) && contender->ratio <= 1 - GAIN_LEAST &&
           contender->ratio_high <= 1 - GAIN_SURE;
}

/* It may gain for all that is known, and is not seen to. Where allocation takes little time there
 * is little to gain, and noise is taken for what it is. */
static bool is_unclear(const struct advice *advice, const struct contender *contender)
{
    return advice->share >= SHARE_LITTLE && is_measured(contender) && is_safe(contender) &&
           !pays(contender) &&
           (contender->ratio <= 1 - GAIN_LEAST || contender->ratio_low <= 1 - GAIN_UNSEEN);
}

/* How much there is to set, and to understand. */
static size_t complexity(const struct contender *contender)
{
    return contender->kind == PROCESS  ? 0
           : contender->kind == THREAD ? 1
                                       : 1 + contender->candidate_count;
}

static bool reaches(const struct contender *contender, const struct contender *fastest)
{
    return contender->ratio_low <= fastest->ratio_high;
}

/* Of the safe ones, that pay or only of those measured; 0: there is none. */
static size_t find_fastest(const struct advice *advice, bool paying)
{
    size_t fastest = 0;
    for (size_t i = 1; i < advice->contender_count; i++) {
        const struct contender *contender = &advice->contenders[i];
        if (is_safe(contender) && (paying ? pays(contender) : is_measured(contender)) &&
            (fastest == 0 || contender->ratio < advice->contenders[fastest].ratio))
            fastest = i;
    }
    return fastest;
}

/* The simplest of those that may be as fast as the fastest. */
static size_t find_best(const struct advice *advice)
{
    size_t fastest = find_fastest(advice, true), best = fastest;
    for (size_t i = 1; i < advice->contender_count; i++) {
        const struct contender *contender = &advice->contenders[i];
        if (is_safe(contender) && pays(contender) &&
            reaches(contender, &advice->contenders[fastest]) &&
            complexity(contender) < complexity(&advice->contenders[best]))
            best = i;
    }
    return best;
}

/* Whether it may be better than what is known of it, by which another would be recommended. */
static bool is_open(const struct advice *advice, const struct contender *contender,
                    const struct contender *fastest)
{
    /* Plain is in the fastest's place when nothing pays. */
    if (is_unclear(advice, contender))
        return fastest->kind == PLAIN || reaches(contender, fastest);
    return is_safe(contender) && pays(contender) && reaches(contender, fastest) &&
           complexity(contender) < complexity(fastest) && contender->ratio > fastest->ratio + TIE;
}

bool verdict_needs(const struct advice *advice, size_t contender)
{
    size_t fastest = find_fastest(advice, true);
    if (contender != fastest)
        return is_open(advice, &advice->contenders[contender], &advice->contenders[fastest]);
    /* A gain that is small is looked at twice: of several contenders one is lucky. */
    if (advice->contenders[fastest].ratio > 1 - GAIN_UNSEEN &&
        advice->contenders[fastest].rounds < 2 * ROUNDS_LEAST)
        return true;
    for (size_t i = 1; i < advice->contender_count; i++)
        if (is_open(advice, &advice->contenders[i], &advice->contenders[fastest]))
            return true;
    return false;
}

/* ---- reasons ----------------------------------------------------------------------------------
 */

static bool dies_inside(const struct advice *advice)
{
    double least = INSIDE_LITTLE * (double)advice->counted.calls;
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct candidate *candidate = &advice->candidates[i];
        if ((candidate->is_proven ? (double)candidate->proven.inside : candidate->inside) >= least)
            return true;
    }
    return false;
}

/* Whether much dies in a function that serves many calls each time: only the start of the shim, and
 * finding the function, can be too dear. */
static bool is_start_dear(const struct advice *advice)
{
    enum { MANY = 20 };
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct record_tally *proven = &advice->candidates[i].proven;
        if ((double)proven->inside >= INSIDE_LITTLE * (double)advice->counted.calls &&
            proven->inside >= MANY * proven->activations)
            return true;
    }
    return false;
}

static bool has_plan(const struct advice *advice)
{
    for (size_t i = 1; i < advice->contender_count; i++)
        if (advice->contenders[i].kind == FUNCTIONS)
            return true;
    return false;
}

/* What is known without measuring; NULL: nothing speaks against a scope. */
static const char *objection(const struct advice *advice)
{
    if (!dies_inside(advice))
        return "what is drawn outlives every function below main";
    if (!has_plan(advice) && is_start_dear(advice))
        return "it is over before the shim's start has paid";
    if (!has_plan(advice))
        return "the blocks that die early are spread over functions called too often";
    return NULL;
}

static char *why_none(const struct advice *advice)
{
    if (advice->counted.calls == 0)
        return need_text("it makes no allocation that the shim sees");
    char *measured, *made;
    size_t fastest = find_fastest(advice, false);
    if (fastest != 0)
        measured = need_text("%s, the best that was measured, takes %.2f of plain's CPU time",
                             advice->contenders[fastest].name, advice->contenders[fastest].ratio);
    else
        measured = need_text("nothing that leaves its output and exit status alone was measured");
    const char *known = objection(advice);
    if (fastest != 0 && advice->contenders[0].cpu < OVER_SOON &&
        advice->contenders[fastest].ratio > 1 + GAIN_LEAST)
        made = need_text("it is over before the shim's start has paid; %s", measured);
    else if (advice->share < SHARE_LITTLE)
        made =
            need_text("allocation takes %.1f%% of the CPU time; %s", 100 * advice->share, measured);
    else
        made = need_text("%s%s%s", known ? known : "", known ? "; " : "", measured);
    free(measured);
    return made;
}

static char *why_unclear(const struct advice *advice)
{
    const struct contender *contender = advice->contenders;
    while (!is_unclear(advice, contender))
        contender++;
    return need_text("%s takes between %.2f and %.2f of plain's CPU time, as far as %u rounds tell",
                     contender->name, contender->ratio_low, contender->ratio_high,
                     contender->rounds);
}

/* ---- the verdict ------------------------------------------------------------------------------
 */

static bool is_any_unclear(const struct advice *advice)
{
    for (size_t i = 1; i < advice->contender_count; i++)
        if (is_unclear(advice, &advice->contenders[i]))
            return true;
    return false;
}

static void set(struct advice *advice, enum verdict verdict, char *reason)
{
    advice->verdict = verdict;
    advice->reason = reason;
}

/* By what is expected, and what leaves the output alone as far as that was looked at. */
static void judge_unmeasured(struct advice *advice)
{
    if (advice->share < SHARE_LITTLE) {
        set(advice, VERDICT_NONE,
            need_text("allocation takes %.1f%% of the CPU time", 100 * advice->share));
        return;
    }
    double least = 1;
    for (size_t i = 1; i < advice->contender_count; i++) {
        const struct contender *contender = &advice->contenders[i];
        if (is_safe(contender) && contender->differed == 0 && contender->expected > 0 &&
            contender->expected < least) {
            advice->best = i;
            least = contender->expected;
        }
    }
    set(advice, VERDICT_UNCERTAIN,
        need_text("%s", advice->is_timed_out
                            ? "runs that are ended after a time take CPU time as they get it, "
                              "whatever they do in it, so that no gain can be measured"
                            : "nothing was measured"));
}

static void judge_measured(struct advice *advice)
{
    advice->best = find_best(advice);
    const struct contender *best = &advice->contenders[advice->best];
    if (advice->best != 0 && best->rounds >= ROUNDS_LEAST)
        set(advice, VERDICT_PLAN, NULL);
    else if (advice->best != 0)
        set(advice, VERDICT_UNCERTAIN, need_text("%u rounds of measuring are few", best->rounds));
    else if (is_any_unclear(advice))
        set(advice, VERDICT_UNCERTAIN, why_unclear(advice));
    else
        set(advice, VERDICT_NONE, why_none(advice));
    for (size_t i = 1; i < advice->contender_count; i++) {
        const struct contender *contender = &advice->contenders[i];
        if (contender->kind == RESET && pays(contender) &&
            (advice->best == 0 || contender->ratio_high < best->ratio_low) &&
            (advice->seen_safe == 0 ||
             contender->ratio < advice->contenders[advice->seen_safe].ratio))
            advice->seen_safe = i;
    }
}

/* Memory at the end; at the peak where that is not known. */
static size_t held(const struct contender *contender)
{
    return contender->at_end > 0 ? contender->at_end : contender->peak;
}

/* Beside the time: who keeps the program small? */
static void find_leanest(struct advice *advice)
{
    const struct contender *contenders = advice->contenders;
    double least = (1 - LEANER) * (double)held(&contenders[0]);
    for (size_t i = 1; i < advice->contender_count; i++)
        if (is_safe(&contenders[i]) && is_measured(&contenders[i]) &&
            (double)held(&contenders[i]) <= least) {
            advice->leanest = i;
            least = (double)held(&contenders[i]);
        }
}

void verdict_reach(struct advice *advice)
{
    find_leanest(advice);
    if (advice->counted.calls > 0 && (!advice->wish->measure || advice->is_timed_out))
        judge_unmeasured(advice);
    else
        judge_measured(advice);
}

#include "advise/measure.h"

#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/progress.h"
#include "advise/trial.h"
#include "advise/verdict.h"
#include "base/compiler.h"

/* What a clock tick may be, at most: no program is measured by less. */
#define CLOCK_LEAST 1e-6

/* Rounds while the verdict is open. */
#define ROUNDS_OPEN 15

enum figure { CPU, RATIO, PEAK, AT_END, FAULTS, FIGURES };

static double samples[CONTENDERS_MOST][FIGURES][ROUNDS_MOST];

/* Rounds in which the contender's exit status, and its output, were others than the first run's. */
static unsigned other_status[CONTENDERS_MOST], other_output[CONTENDERS_MOST];

/* ---- peers ------------------------------------------------------------------------------------
 */

static const struct peer {
    const char *name, *library;
} peers[] = {
    {"tcmalloc", "libtcmalloc_minimal.so.4"},
    {"jemalloc", "libjemalloc.so.2"},
    {"mimalloc", "libmimalloc.so.2"},
    {"mimalloc", "libmimalloc.so.3"},
};

static void add_peer(struct advice *advice, const struct peer *peer)
{
    if (advice->contender_count == CONTENDERS_MOST)
        return;
    advice->contenders[advice->contender_count++] = (struct contender){
        .kind = PEER,
        .name = peer->name,
        .options = "",
        .preload = peer->library,
    };
}

/* As ldconfig names it. */
#ifdef __aarch64__
#define LISTED_MACHINE "AArch64"
#else
#define LISTED_MACHINE "x86-64"
#endif

void measure_add_peers(struct advice *advice)
{
    size_t before = advice->contender_count;
    /* Not by dlopen, which refuses libraries that are built to be preloaded alone. */
    FILE *list = popen("/sbin/ldconfig -p 2>/dev/null", "re");
    char line[4096], start[64];
    while (list && fgets(line, sizeof line, list))
        for (size_t i = 0; i < COUNT(peers); i++) {
            snprintf(start, sizeof start, "\t%s (libc6," LISTED_MACHINE, peers[i].library);
            if (strncmp(line, start, strlen(start)) == 0)
                add_peer(advice, &peers[i]);
        }
    if (list)
        pclose(list);
    if (advice->contender_count == before)
        warnx("--peers: none of tcmalloc, jemalloc and mimalloc is installed");
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static char *make_scopes(const struct advice *advice, const struct contender *contender)
{
    if (contender->kind == PROCESS || contender->kind == THREAD)
        return need_text("ARENASHIM_SCOPES=%s", contender->kind == PROCESS ? "process" : "thread");
    char *made = need_text("ARENASHIM_SCOPES=");
    for (size_t i = 0; i < contender->candidate_count; i++) {
        char *before = made;
        made = need_text("%s%s%s%s", before, i > 0 ? ";" : "",
                         contender->kind == RESET ? "reset:" : "",
                         advice->candidates[contender->candidates[i]].spec);
        free(before);
    }
    return made;
}

static void run(const struct advice *advice, const struct contender *contender, struct trial *trial)
{
    char *settings[4] = {NULL};
    size_t count = 0;
    bool is_scoped = contender->kind != PLAIN && contender->kind != PEER;
    if (is_scoped)
        settings[count++] = make_scopes(advice, contender);
    if (contender->capacity > 0)
        settings[count++] = need_text("ARENASHIM_CAPACITY=%zu", contender->capacity);
    if (contender->modules)
        settings[count++] = need_text("ARENASHIM_MODULES=%s", contender->modules);
    progress_run(trial, advice->wish, contender->name,
                 is_scoped ? advice->wish->shim : contender->preload, settings, NULL);
    while (count > 0)
        free(settings[--count]);
}

/* Adds what the last round was to a contender. */
static void note(const struct advice *advice, size_t which, const struct trial *trial)
{
    double(*series)[ROUNDS_MOST] = samples[which];
    unsigned round = advice->contenders[which].rounds;
    series[CPU][round] = trial->cpu;
    series[PEAK][round] = (double)trial->peak;
    series[AT_END][round] = (double)trial->at_end;
    series[FAULTS][round] = (double)trial->faults;
    bool alike = trial_ends_alike(trial, &advice->plain[0]);
    other_status[which] += !alike;
    other_output[which] += alike && trial->differs;
}

/* ---- figures ----------------------------------------------------------------------------------
 */

static int compare(const void *left, const void *right)
{
    const double *one = left, *other = right;
    return (*one > *other) - (*one < *other);
}

static double median(const double *sorted, unsigned count)
{
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/* How many of the sorted samples lie outside, at either end, of the interval that has the true
 * median at 90% confidence, as far as so few can tell (the sign test). */
static unsigned count_outside(unsigned count)
{
    double binomial = ldexp(1, -(int)count), tail = binomial;
    unsigned outside = 0;
    for (;;) {
        binomial *= (double)(count - outside) / (outside + 1);
        tail += binomial;
        if (2 * tail > 0.1)
            return outside;
        outside++;
    }
}

static void summarise(struct contender *contender, double figures[FIGURES][ROUNDS_MOST])
{
    unsigned rounds = contender->rounds;
    double sorted[FIGURES][ROUNDS_MOST], medians[FIGURES];
    memcpy(sorted, figures, sizeof sorted);
    for (int i = 0; i < FIGURES; i++) {
        qsort(sorted[i], rounds, sizeof sorted[i][0], compare);
        medians[i] = median(sorted[i], rounds);
    }
    unsigned outside = count_outside(rounds);
    contender->cpu = medians[CPU];
    contender->ratio = medians[RATIO];
    contender->ratio_low = sorted[RATIO][outside];
    contender->ratio_high = sorted[RATIO][rounds - 1 - outside];
    contender->peak = (size_t)medians[PEAK];
    contender->at_end = (size_t)medians[AT_END];
    contender->faults = (uint64_t)medians[FAULTS];
}

/* Contenders begin in turn, and follow in one direction and the other. */
static void run_round(struct advice *advice, unsigned round, const bool takes_part[])
{
    size_t count = advice->contender_count;
    struct trial trials[CONTENDERS_MOST];
    for (size_t i = 0; i < count; i++) {
        size_t which = (round + (round % 2 == 0 ? i : count - i)) % count;
        if (takes_part[which])
            run(advice, &advice->contenders[which], &trials[which]);
    }
    for (size_t i = 0; i < count; i++) {
        if (!takes_part[i])
            continue;
        struct contender *contender = &advice->contenders[i];
        note(advice, i, &trials[i]);
        samples[i][RATIO][contender->rounds] =
            advice->is_timed_out ? 0 : trials[i].cpu / fmax(trials[0].cpu, CLOCK_LEAST);
        contender->rounds++;
        summarise(contender, samples[i]);
    }
}

/* What plain does itself is held against nobody. */
static void count_differences(struct advice *advice)
{
    advice->output_differs |= other_output[0] > 0;
    for (size_t i = 0; i < advice->contender_count; i++)
        advice->contenders[i].differed =
            other_status[i] + (advice->output_differs ? 0 : other_output[i]);
}

/* Who runs, all at first and then those alone that the verdict depends on, beside plain. Returns
 * how many they are; 1: plain alone. */
static size_t choose(const struct advice *advice, bool all, bool takes_part[])
{
    size_t count = 0;
    for (size_t i = 0; i < advice->contender_count; i++) {
        takes_part[i] = i == 0 || all || verdict_needs(advice, i);
        count += takes_part[i];
    }
    return count;
}

void measure_all(struct advice *advice)
{
    unsigned wished = advice->wish->runs;
    unsigned least = wished ? wished : ROUNDS_LEAST;
    unsigned most = wished || advice->is_timed_out ? least : ROUNDS_OPEN;
    for (unsigned round = 0; round < most; round++) {
        bool takes_part[CONTENDERS_MOST];
        size_t count = choose(advice, round < least, takes_part);
        if (count == 1)
            break;
        if (round == 0)
            progress_expect(count * least);
        if (round >= least)
            progress_expect(count);
        run_round(advice, round, takes_part);
        count_differences(advice);
    }
}

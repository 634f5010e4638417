#include "advise/advise.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "advise/candidates.h"
#include "advise/folded.h"
#include "advise/json.h"
#include "advise/measure.h"
#include "advise/need.h"
#include "advise/plans.h"
#include "advise/progress.h"
#include "advise/records.h"
#include "advise/scope_file.h"
#include "advise/streams.h"
#include "advise/text.h"
#include "advise/trial.h"
#include "advise/verdict.h"

/* ---- files ------------------------------------------------------------------------------------
 */

typedef void write_function(const struct advice *, FILE *);

/* Whether it is the regular file that standard output, or another option, writes to. */
static bool is_taken(int file)
{
    static struct stat taken[4];
    static size_t count;
    if (count == 0)
        fstat(STDOUT_FILENO, &taken[count++]);
    struct stat *own = &taken[count++];
    fstat(file, own);
    for (const struct stat *other = taken; other < own; other++)
        if (S_ISREG(own->st_mode) && other->st_dev == own->st_dev && other->st_ino == own->st_ino)
            return true;
    return false;
}

/* Where there was no answer. */
static void remove_empty(int status, void *name)
{
    struct stat made;
    if (status != 0 && stat(name, &made) == 0 && made.st_size == 0)
        unlink(name);
}

/* Opened before the first run, so that a bad name is said at once; emptied when there is something
 * to be written. */
static int open_file(const char *name, const char *option)
{
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
    if (!name)
        return -1;
    int file = open(name, flags | O_EXCL, 0666);
    if (file >= 0)
        on_exit(remove_empty, (void *)name);
    else
        file = open(name, flags, 0666);
    if (file < 0)
        err(ADVISE_FAILED, "%s='%s' is not accepted; it takes a file that can be written", option,
            name);
    if (is_taken(file))
        errx(ADVISE_FAILED,
             "%s='%s' is not accepted; it takes a file that nothing else is written to", option,
             name);
    return file;
}

static void write_file(const struct advice *advice, write_function *write, int file,
                       const char *name)
{
    if (!name)
        return;
    FILE *to = fdopen(file, "w");
    /* Refused for what is no regular file. */
    (void)!ftruncate(file, 0);
    if (to)
        write(advice, to);
    if (!to || (ferror(to) | fclose(to)) != 0)
        err(ADVISE_FAILED, "cannot write '%s'", name);
}

/* ---- plain runs -------------------------------------------------------------------------------
 */

static void run_plain(struct advice *advice)
{
    const struct wish *wish = advice->wish;
    struct trial *first = &advice->plain[0], *second = &advice->plain[1];
    char *none[] = {NULL};
    progress_run(first, wish, "plain", NULL, none, NULL);
    if (!trial_succeeded(first)) {
        char *told = trial_tell(first);
        if (first->status & 0x7f)
            errx(ADVISE_FAILED, "'%s' %s when it is run plain", wish->program[0], told);
        warnx("'%s' %s when it is run plain; what follows is of runs like that", wish->program[0],
              told);
        free(told);
    }
    progress_run(second, wish, "plain", NULL, none, NULL);
    if (!trial_ends_alike(first, second))
        errx(ADVISE_FAILED,
             "'%s' ends in another way when it is run again: nothing can be "
             "compared",
             wish->program[0]);
    advice->output_differs = second->differs;
    advice->is_timed_out = first->ended_by_us || second->ended_by_us;
    if (second->differs)
        warnx("'%s' prints something else in each run: only exit statuses are compared",
              wish->program[0]);
}

/* ---- watched runs -----------------------------------------------------------------------------
 */

static double plain_cpu(const struct advice *advice)
{
    return fmax((advice->plain[0].cpu + advice->plain[1].cpu) / 2, 1e-6);
}

static struct record *make_record(const struct advice *advice, enum watch_mode mode, uint64_t every,
                                  char **setting)
{
    const char *child = advice->wish->child;
    return records_make(mode, every, child ? child : "", setting);
}

/* `scopes`: a further setting, or NULL. */
static double watch(const struct advice *advice, struct record *record, const char *what,
                    char *setting, char *scopes)
{
    const struct wish *wish = advice->wish;
    struct trial trial;
    char *settings[] = {setting, scopes, NULL};
    progress_run(&trial, wish, what, wish->shim, settings, &record->leader);
    records_remove();
    free(setting);
    if (!trial_ends_alike(&trial, &advice->plain[0])) {
        char *told = trial_tell(&trial);
        errx(ADVISE_FAILED, "'%s' %s when it is watched, and not when it is run plain",
             wish->program[0], told);
    }
    if (trial.differs && !advice->output_differs)
        warnx("'%s' prints something else when it is watched", wish->program[0]);
    return trial.cpu;
}

/* How the line of a process begins that cannot be watched. */
#define UNWATCHED "arenashim: the process is not watched: "

/* The same of one in which functions cannot be wrapped. */
#define UNWRAPPED "arenashim: no function is wrapped: "

/* What the shim has said in the last run of what holds for all of its work there. */
static void repeat_line(const char *beginning)
{
    char *line = streams_line(beginning);
    if (line)
        warnx("%s", line + strlen("arenashim: "));
    free(line);
}

/* Nobody was watched: whose fault is it? */
static noreturn void explain_unwatched(const struct advice *advice, const struct record *record)
{
    if (advice->wish->child)
        errx(ADVISE_FAILED,
             "--child='%s': no process with an executable of that name could be watched, of "
             "%llu others",
             advice->wish->child, (unsigned long long)record->not_watched);
    const char *line = streams_line("arenashim: ");
    if (line)
        errx(ADVISE_FAILED, "%s", line + strlen("arenashim: "));
    errx(ADVISE_FAILED, "no process of '%s' was watched", advice->wish->program[0]);
}

static void count_calls(struct advice *advice)
{
    char *setting;
    struct record *record = make_record(advice, WATCH_COUNT, 1, &setting);
    advice->counted_cpu = watch(advice, record, "counting calls", setting, NULL);
    if (record->processes == 0)
        explain_unwatched(advice, record);
    repeat_line(UNWATCHED);
    advice->counted = records_sum(record);
    advice->is_threaded = record->is_threaded;
    advice->share = fmin((double)advice->counted.nanoseconds / 1e9 / plain_cpu(advice), 1);
}

/* As watch/record.h has it. */
static uint64_t choose_every(const struct advice *advice)
{
    const struct record_thread *counted = &advice->counted;
    if (counted->calls <= RECORD_EXACT || counted->sampled == 0)
        return 1;
    double plain = plain_cpu(advice), sampling = (double)counted->sampling / 1e9;
    double overhead = advice->counted_cpu - plain - sampling;
    double stacks = 2 * (double)counted->calls * sampling / (double)counted->sampled;
    double every = stacks / fmax(0.25 * plain - overhead, 0.05 * plain);
    return (uint64_t)fmin(ceil(fmax(every, (double)counted->calls / RECORD_SAMPLES)), 1e9);
}

static void sample(struct advice *advice)
{
    char *setting;
    struct record *record = make_record(advice, WATCH_SAMPLE, choose_every(advice), &setting);
    advice->sampled_cpu = watch(advice, record, "sampling stacks", setting, NULL);
    advice->sampled = record;
}

static void prove(struct advice *advice)
{
    char *setting, *scopes = need_text("ARENASHIM_SCOPES=");
    struct record *record = make_record(advice, WATCH_PROVE, advice->sampled->every, &setting);
    for (size_t i = 0; i < advice->candidate_count; i++) {
        const struct candidate *candidate = &advice->candidates[i];
        struct record_function *function = &record->functions[record->functions_named++];
        strncpy(function->module, candidate->place.module, sizeof function->module - 1);
        function->offset = candidate->place.offset;
        char *before = scopes;
        scopes = need_text("%s%s%s", before, i > 0 ? ";" : "", candidate->spec);
        free(before);
    }
    advice->proven_cpu = watch(advice, record, "proving candidates", setting, scopes);
    repeat_line(UNWRAPPED);
    free(scopes);
    advice->proven = record;
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static void find_plans(struct advice *advice)
{
    sample(advice);
    candidates_find(advice);
    if (advice->candidate_count > 0) {
        prove(advice);
        candidates_prove(advice);
    }
    plans_make(advice);
    if (advice->wish->peers)
        measure_add_peers(advice);
    if (advice->wish->measure)
        measure_all(advice);
}

void advise(const struct wish *wish)
{
    static struct advice advice = {
        .contenders[0] = {.kind = PLAIN, .name = "plain", .options = ""},
        .contender_count = 1,
    };
    advice.wish = wish;
    int scope_file = open_file(wish->write, "--write"), json = open_file(wish->json, "--json"),
        folded = open_file(wish->folded, "--folded");
    trial_start();
    /* Two plain ones, three that are watched, and as many to measure as there are as a rule. */
    progress_expect(5 + (wish->measure ? 6 * (wish->runs ? wish->runs : ROUNDS_LEAST) : 0));
    run_plain(&advice);
    count_calls(&advice);
    if (advice.counted.calls > 0)
        find_plans(&advice);
    verdict_reach(&advice);
    text_advice(&advice, stdout);
    write_file(&advice, scope_file_write, scope_file, wish->write);
    write_file(&advice, json_advice, json, wish->json);
    write_file(&advice, folded_write, folded, wish->folded);
}

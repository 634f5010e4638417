/*
 * The stress test of the shim: workers that allocate, free, begin and end scopes, hand blocks to
 * each other, die, are born again and fork, each compared with a model (model.h). Preload
 * libarenashim.so; the settings are read from the same ARENASHIM_* variables.
 *
 * Ends with status 0 and the counts that the shim's statistics must show, or aborts after a line
 * with the worker, its operation and the seed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

static const char usage[] =
    "usage: stress [OPTION...]\n"
    "  --threads N     workers, 1 to 64 (4)\n"
    "  --seed N        of all random choices (1)\n"
    "  --operations N  of each worker, about: a life that has begun goes on to its end (100000)\n"
    "  --seconds N     how long to go on instead; the same seed then gives the same beginning\n"
    "  --loose         do not foresee addresses: for settings that move blocks\n"
    "  --memcheck      the same under Valgrind's memcheck\n"
    "  --no-forks\n"
    "  --digest        print a number for each worker that sums up what it did and got: the\n"
    "                  same for the same seed, operations, threads and settings\n"
    "A failure is a line that names the worker, its operation and the seed.\n";

static uint64_t operations = 100000;
static unsigned seconds;
static bool print_digest;
static bool stop;
static int finished;

/* ---- workers --------------------------------------------------------------------------------- */

static bool is_done(const struct worker *worker)
{
    return seconds > 0 ? __atomic_load_n(&stop, __ATOMIC_RELAXED) : worker->operation >= operations;
}

static void *live(void *argument)
{
    struct worker *worker = argument;
    for (uint64_t left = model_below(&worker->random, 20000); left > 0 && !is_done(worker); left--)
        model_step(worker);
    model_end_life(worker);
    return NULL;
}

/* Gives a worker one thread after another, and serves its mail when it has done its part. */
static void *keep_alive(void *argument)
{
    struct worker *worker = argument;
    while (!is_done(worker)) {
        pthread_t thread;
        REQUIRE(worker, pthread_create(&thread, NULL, live, worker) == 0);
        REQUIRE(worker, pthread_join(thread, NULL) == 0);
    }
    __atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < settings.workers) {
        model_serve(worker);
        usleep(100);
    }
    model_serve(worker);
    model_finish(worker);
    return NULL;
}

static void run(void)
{
    static struct worker learner;
    pthread_t keepers[WORKERS_MAX];
    learner.number = -1;
    model_learn(&learner);
    for (int i = 0; i < settings.workers; i++)
        model_start(&workers[i], i);
    for (int i = 0; i < settings.workers; i++)
        REQUIRE(&workers[i], pthread_create(&keepers[i], NULL, keep_alive, &workers[i]) == 0);
    if (seconds > 0) {
        sleep(seconds);
        __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    }
    struct counts sum = learner.counts;
    for (int i = 0; i < settings.workers; i++) {
        pthread_join(keepers[i], NULL);
        uint64_t *to = (uint64_t *)&sum;
        for (size_t k = 0; k < sizeof sum / sizeof *to; k++)
            to[k] += ((uint64_t *)&workers[i].counts)[k];
        if (print_digest)
            printf("worker %d: %016llx\n", i, (unsigned long long)workers[i].digest);
    }
    if (print_digest)
        return;
    printf("pid %d\n", getpid());
    /* Nobody knows what scopes without marks came to. */
    if (!settings.ambient)
        printf(
            "scopes %llu\nrouted_calls %llu\nignored_frees %llu\nleft_open %llu\nfallbacks %llu\n",
            (unsigned long long)sum.scopes, (unsigned long long)sum.routed,
            (unsigned long long)sum.ignored_frees, (unsigned long long)sum.left_open,
            (unsigned long long)sum.fallbacks);
    printf("# %llu operations, %llu blocks by mail, %llu forks, %llu lives, %llu jumps\n",
           (unsigned long long)sum.operations, (unsigned long long)sum.mail,
           (unsigned long long)sum.forks, (unsigned long long)sum.lives,
           (unsigned long long)sum.jumps);
}

/* ---- options and settings -------------------------------------------------------------------- */

__attribute__((noreturn)) static void refuse(const char *what)
{
    fprintf(stderr, "stress: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number_from(const char *text)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 0);
    if (errno || end == text || *end != '\0' || *text == '-')
        refuse("not a number");
    return number;
}

static size_t size_setting(const char *name, size_t otherwise)
{
    const char *value = getenv(name);
    if (!value)
        return otherwise;
    char *end;
    size_t number = strtoull(value, &end, 10);
    return *end == 'K' ? number << 10 : *end == 'M' ? number << 20 : number;
}

static enum policy policy_setting(void)
{
    const char *value = getenv("ARENASHIM_OVERFLOW");
    if (!value || strcmp(value, "grow") == 0)
        return GROW;
    return strcmp(value, "error") == 0 ? ERROR : FALLBACK;
}

static void read_settings(void)
{
    settings.capacity = size_setting("ARENASHIM_CAPACITY", (size_t)1 << 20);
    settings.limit = size_setting("ARENASHIM_LIMIT", (size_t)1 << 30);
    settings.align = size_setting("ARENASHIM_ALIGN", 16);
    settings.policy = policy_setting();
    settings.ambient = getenv("ARENASHIM_SCOPES") != NULL;
}

int main(int argc, char **argv)
{
    enum { THREADS, SEED, OPERATIONS, SECONDS, LOOSE, MEMCHECK, NO_FORKS, DIGEST, HELP };
    static const struct option options[] = {
        {"threads", required_argument, NULL, THREADS},
        {"seed", required_argument, NULL, SEED},
        {"operations", required_argument, NULL, OPERATIONS},
        {"seconds", required_argument, NULL, SECONDS},
        {"loose", no_argument, NULL, LOOSE},
        {"memcheck", no_argument, NULL, MEMCHECK},
        {"no-forks", no_argument, NULL, NO_FORKS},
        {"digest", no_argument, NULL, DIGEST},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    settings = (struct settings){.seed = 1, .workers = 4, .forks = true, .exact = true};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        switch (option) {
        case THREADS:
            settings.workers = (int)number_from(optarg);
            if (settings.workers < 1 || settings.workers > WORKERS_MAX)
                refuse("--threads takes a number from 1 to 64");
            break;
        case SEED:
            settings.seed = number_from(optarg);
            break;
        case OPERATIONS:
            operations = number_from(optarg);
            break;
        case SECONDS:
            seconds = (unsigned)number_from(optarg);
            break;
        case LOOSE:
            settings.exact = false;
            break;
        case MEMCHECK:
            settings.exact = false;
            settings.memcheck = true;
            break;
        case NO_FORKS:
            settings.forks = false;
            break;
        case DIGEST:
            print_digest = true;
            break;
        case HELP:
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            refuse("unknown option");
        }
    }
    if (optind < argc)
        refuse("takes options only");
    read_settings();
    if (settings.ambient)
        settings.exact = false;
    run();
    return EXIT_SUCCESS;
}

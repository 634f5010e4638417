/*
 * Query threads: see run.h.
 *
 * Threads share the corpus, which nobody writes, and a counter that gives out queries. A query's
 * digest includes its number, and digests are added up, so the sum does not depend on the order.
 */
#include "run.h"

#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct run {
    const struct corpus *corpus;
    const struct options *options;
    struct answer *answers;
    struct share share;
    atomic_size_t next; /* to give out, of the share */
};

struct worker {
    pthread_t thread;
    struct run *run;
    uint64_t checksum;
    enum kernel_status status;
};

static struct text query_word(const struct run *run, size_t query)
{
    const struct options *options = run->options;
    const struct lexicon *lexicon = &run->corpus->lexicon;

    if (query < options->word_count)
        return text_of(options->words[query]);
    uint64_t random = random_at(options->seed, query);
    return lexicon->senses[random_below(random, (uint32_t)lexicon->length)].word;
}

static uint64_t mix_float(uint64_t digest, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return mix64(digest ^ bits);
}

static uint64_t digest_of(size_t query, const struct match *matches, size_t count)
{
    uint64_t digest = random_at(query, count);

    for (size_t i = 0; i < count; i++) {
        digest = mix64(digest ^ matches[i].node);
        digest = mix_float(digest, matches[i].score);
        digest = mix_float(digest, matches[i].similarity);
        digest = mix_float(digest, matches[i].activation);
    }
    return digest;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct run *run = worker->run;
    const struct options *options = run->options;
    struct match *drawn = malloc(options->top * sizeof *drawn);

    worker->status = drawn ? KERNEL_OK : KERNEL_NO_MEMORY;
    while (worker->status == KERNEL_OK) {
        size_t number = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
        size_t query = run->share.first + number * run->share.step;
        if (query >= options->queries)
            break;
        bool keep = run->answers && query < options->word_count;
        struct match *matches = keep ? run->answers[query].matches : drawn;
        size_t count;
        worker->status = engine_recall(run->corpus, &options->spread, query_word(run, query),
                                       matches, options->top, &count);
        if (worker->status != KERNEL_OK)
            break;
        if (keep)
            run->answers[query].count = count;
        worker->checksum += digest_of(query, matches, count);
    }
    free(drawn);
    return NULL;
}

/* Starts workers[1 .. count), works as workers[0], and joins. Returns 0 or pthread_create's error;
 * a started thread has done its share in both cases. */
static int run_workers(struct worker *workers, size_t count)
{
    size_t started = 1;
    int error = 0;

    for (; started < count; started++) {
        error = pthread_create(&workers[started].thread, NULL, work, &workers[started]);
        if (error != 0)
            break;
    }
    work(&workers[0]);
    for (size_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    return error;
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

enum recall_status run_queries(const struct corpus *corpus, const struct options *options,
                               struct share share, struct answer *answers,
                               struct run_result *result)
{
    struct run run = {.corpus = corpus, .options = options, .answers = answers, .share = share};
    struct worker *workers = calloc(options->threads, sizeof *workers);
    enum recall_status status = RECALL_OK;

    if (!workers) {
        warnx("out of memory");
        return RECALL_NO_RESOURCES;
    }
    for (size_t i = 0; i < options->threads; i++)
        workers[i].run = &run;

    double start = seconds_now();
    int error = run_workers(workers, options->threads);
    *result = (struct run_result){.seconds = seconds_now() - start};
    if (error != 0) {
        warnx("can't start a thread: %s", strerror(error));
        status = RECALL_NO_RESOURCES;
    }
    for (size_t i = 0; i < options->threads && status == RECALL_OK; i++) {
        result->checksum += workers[i].checksum;
        if (workers[i].status != KERNEL_OK) {
            warnx("a query failed: %s", kernel_status_text(workers[i].status));
            status = RECALL_NO_RESOURCES;
        }
    }
    free(workers);
    return status;
}

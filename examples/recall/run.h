/* Runs many queries on several threads. */
#ifndef EXAMPLES_RECALL_RUN_H
#define EXAMPLES_RECALL_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "corpus.h"
#include "engine.h"
#include "options.h"
#include "status.h"

/* The monotonic clock, in seconds. */
double seconds_now(void);

/* The matches of one word of the command line. */
struct answer {
    struct match *matches; /* room for options->top */
    size_t count;
};

struct run_result {
    uint64_t checksum; /* over node and all float bits of every match of every query */
    double seconds;    /* wall clock, from before the first thread starts until all are done */
};

/* Of the queries this one, and every `step`th behind it. */
struct share {
    size_t first;
    size_t step;
};

/*
 * Runs options->queries queries, or a share of them: first the words, then words drawn from the
 * lexicon by the seed. Fills `answers`, one per word, if it is not NULL; of drawn words only the
 * checksum is kept. Which thread runs a query, and when, changes neither; the sum of the checksums
 * of all shares is that of the whole. The caller counts as one of the threads.
 *
 * RECALL_NO_RESOURCES when memory or a thread could not be had; all started threads have ended.
 */
enum recall_status run_queries(const struct corpus *corpus, const struct options *options,
                               struct share share, struct answer *answers,
                               struct run_result *result);

#endif

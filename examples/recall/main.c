/*
 * recall: looks words up in a memory of WordNet by association.
 *
 * The results go to standard output and are the same in every run with the same options; sizes and
 * times go to standard error. Exit statuses: status.h.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "corpus.h"
#include "load.h"
#include "options.h"
#include "run.h"
#include "status.h"

static void print_match(const struct corpus *corpus, size_t rank, const struct match *match)
{
    enum { GLOSS_COLUMNS = 48 };
    const struct node *node = &corpus->nodes[match->node];
    size_t length = node->gloss.length < GLOSS_COLUMNS ? node->gloss.length : GLOSS_COLUMNS;

    printf("%5zu  %.6f  %.*s (%c)", rank, (double)match->score, (int)node->label.length,
           node->label.start, node->kind);
    if (length > 0)
        printf("  %.*s%s", (int)length, node->gloss.start,
               length < node->gloss.length ? "..." : "");
    putchar('\n');
}

static enum recall_status print_answers(const struct corpus *corpus, const struct options *options,
                                        const struct answer *answers, uint64_t checksum)
{
    enum recall_status status = RECALL_OK;

    for (size_t i = 0; i < options->word_count; i++) {
        if (answers[i].count == 0) {
            warnx("%s: no such word", options->words[i]);
            status = RECALL_UNKNOWN_WORD;
            continue;
        }
        printf("%s\n", options->words[i]);
        for (size_t rank = 0; rank < answers[i].count; rank++)
            print_match(corpus, rank + 1, &answers[i].matches[rank]);
    }
    printf("checksum %016" PRIx64 "\n", checksum);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        warn("standard output");
        return RECALL_BAD_OUTPUT;
    }
    return status;
}

static void print_timing(const struct corpus *corpus, const struct options *options,
                         double load_seconds, double query_seconds)
{
    fprintf(stderr,
            "nodes %" PRIu32 "\narcs %" PRIu32 "\nload_seconds %.6f\nqueries %zu\nthreads %zu\n"
            "query_seconds %.6f\nns_per_query %.0f\n",
            corpus->count, corpus->graph.view.edges, load_seconds, options->queries,
            options->threads, query_seconds, query_seconds * 1e9 / (double)options->queries);
}

/* Room for every word's matches, as slices of one block. */
static struct answer *make_answers(const struct options *options, struct match **matches)
{
    struct answer *answers = calloc(options->word_count + 1, sizeof *answers);

    *matches = calloc(options->word_count + 1, options->top * sizeof **matches);
    for (size_t i = 0; i < options->word_count && answers && *matches; i++)
        answers[i].matches = *matches + i * options->top;
    return answers;
}

static enum recall_status answer(const struct corpus *corpus, const struct options *options,
                                 double load_seconds)
{
    struct match *matches;
    struct answer *answers = make_answers(options, &matches);
    struct run_result result;
    enum recall_status status = RECALL_NO_RESOURCES;

    if (answers && matches)
        status = run_queries(corpus, options, (struct share){0, 1}, answers, &result);
    else
        warnx("out of memory");
    if (status == RECALL_OK) {
        status = print_answers(corpus, options, answers, result.checksum);
        if (options->timing)
            print_timing(corpus, options, load_seconds, result.seconds);
    }
    free(answers);
    free(matches);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct corpus corpus = {0};

    options_read(&options, argc, argv);
    double start = seconds_now();
    enum recall_status status = load_corpus(&corpus, &options);
    if (status == RECALL_OK)
        status = answer(&corpus, &options, seconds_now() - start);
    corpus_free(&corpus);
    return (int)status;
}

/*
 * recall-mpi: recall's queries, shared out to the ranks of an MPI job.
 *
 * Takes recall's options. The first rank prints the checksum, which is the one that recall prints;
 * what the words recalled is not collected. Each rank loads the data for itself, and its statistics
 * are those of its share. Exit statuses: ../recall/status.h, the highest of all ranks.
 */
#include <err.h>
#include <inttypes.h>
#include <mpi.h>
#include <stdio.h>

#include "../recall/load.h"
#include "../recall/options.h"
#include "../recall/run.h"

static enum recall_status print(const struct options *options, int ranks, uint64_t checksum,
                                double seconds)
{
    printf("checksum %016" PRIx64 "\n", checksum);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        warn("standard output");
        return RECALL_BAD_OUTPUT;
    }
    if (options->timing)
        fprintf(stderr, "queries %zu\nranks %d\nthreads %zu\nquery_seconds %.6f\n",
                options->queries, ranks, options->threads, seconds);
    return RECALL_OK;
}

/* The share of this rank, and the results of all. A rank that has failed takes part, too, so that
 * nobody waits for it. */
static enum recall_status answer(const struct options *options, int rank, int ranks)
{
    struct corpus corpus = {0};
    struct run_result result = {0};
    struct share share = {(size_t)rank, (size_t)ranks};
    uint64_t checksum = 0;
    double seconds = 0;
    int status = (int)load_corpus(&corpus, options), worst;

    if (status == RECALL_OK)
        status = (int)run_queries(&corpus, options, share, NULL, &result);
    corpus_free(&corpus);
    MPI_Reduce(&result.checksum, &checksum, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    MPI_Reduce(&result.seconds, &seconds, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    MPI_Allreduce(&status, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    if (worst == RECALL_OK && rank == 0)
        return print(options, ranks, checksum, seconds);
    return (enum recall_status)worst;
}

int main(int argc, char **argv)
{
    struct options options;
    int rank, ranks, support;

    options_read(&options, argc, argv);
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &support);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    enum recall_status status = answer(&options, rank, ranks);
    MPI_Finalize();
    return (int)status;
}

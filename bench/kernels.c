/*
 * Times the kernels of examples/kernels one by one, and recall as a whole: nanoseconds of a query,
 * half and 99 % of the queries, page faults, peak resident memory. Queries are drawn at random, the
 * same in every run, so contenders do the same work and must come to the same results.
 *
 * usage: kernels [--recall] [--quick] [--littered] [--expect LIBRARY]
 *                [--verify | --checksums | --count KERNEL SIZE N]
 *
 * --recall    spreading over WordNet and whole recalls, in place of the kernels on made data
 * --littered  litter the heap of malloc first
 * --verify    measure nothing; compare the results with those of a process without any preload,
 *             which prints them with --checksums
 * --count     run one kernel N times, and print when that began and ended (seconds of the monotonic
 *             clock): for instruction counts and profiles; callgrind instruments these queries
 * alone
 */
#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION ((void)0)
#define CALLGRIND_STOP_INSTRUMENTATION ((void)0)
#endif

#include "bench/litter.h"
#include "bench/resident.h"
#include "bench/sample.h"
#include "examples/kernels/best.h"
#include "examples/kernels/cosine.h"
#include "examples/kernels/decay.h"
#include "examples/kernels/spread.h"
#include "examples/recall/engine.h"
#include "examples/recall/synthetic.h"
#include "examples/recall/wordnet.h"

#define WORDNET "/usr/share/wordnet"
#define HALF_LIFE 0.5f /* the ages are below 1 */

enum {
    LINE = 256,
    PASSES = 3,
    WARM_UPS = 3,
    QUICK = 8,           /* so many times fewer queries */
    MOST_QUERIES = 6000, /* in a pass */
    CHECKED = 20,        /* queries of which --verify compares the results */
    ROWS = 1000,         /* most candidates, of most dimensions: */
    DIMENSIONS = 1536,
    ELEMENTS = 10000, /* most to decay, and to select from */
    HITS = 1000,      /* as recall asks spreading for */
    BEST = 10,        /* as it prints */
    SEEDS = 3,
    ATTACHED = 5,    /* edges that a made node brings */
    LITTER = 100000, /* blocks, of which half are freed: some 7 MiB stay */
    LATENCIES = 100, /* queries at least of which half and 99 % are taken */
};

struct workload {
    const char *kernel, *size;
    size_t first, second; /* what `size` says in numbers, 0 for what is read */
    size_t queries;       /* of a pass; all passes take some 40 ms, more when queries are long */
    void (*prepare)(const struct workload *workload);
    void (*query)(const struct workload *workload, size_t number);
};

struct list {
    const struct workload *workloads;
    size_t count;
};

/* What `prepare` makes, and what a query wrote last. */
static float *values;
static struct graph graph;
static const struct csr_graph *view;
static struct corpus corpus;
static union {
    float values[ELEMENTS];
    struct scored hits[HITS];
    struct match matches[BEST];
} output;
static size_t output_bytes;

static void must(enum kernel_status status)
{
    if (status != KERNEL_OK)
        errx(1, "a kernel failed: %s", kernel_status_text(status));
}

/* Kernels draw blocks of 16 bytes to 128 KiB, small ones for each node and large ones for tables:
 * of each power of two, half as many as of the one before. */
static size_t litter_size(size_t index)
{
    uint64_t random = sample_random(index);
    size_t base = (size_t)16 << __builtin_ctzll(random | (uint64_t)1 << 12);
    return base + (random >> 32) % base;
}

/* ---- made data ------------------------------------------------------------------------------ */

static void make_values(const struct workload *workload)
{
    size_t count = (size_t)ROWS * DIMENSIONS;
    (void)workload;
    if (values)
        return;
    values = malloc(count * sizeof *values);
    if (!values)
        err(1, "values");
    for (size_t i = 0; i < count; i++)
        values[i] = random_unit(random_at(1, i));
}

/* Grown by preferential attachment, as the graph of examples/recall/synthetic.h. Parallel edges
 * are left in. */
static void make_graph(const struct workload *workload)
{
    uint32_t nodes = (uint32_t)workload->first, end_count = 0;
    uint32_t *ends = malloc((size_t)nodes * 2 * ATTACHED * sizeof *ends);
    struct arcs arcs = {0};
    uint64_t drawn = 0;
    bool made = ends;

    for (uint32_t node = 1; node < nodes && made; node++) {
        uint32_t earlier = end_count, links = node < ATTACHED ? node : ATTACHED;
        for (uint32_t i = 0; i < links && made; i++) {
            uint32_t other =
                node <= ATTACHED ? i : ends[random_below(random_at(2, drawn++), earlier)];
            float weight = 0.25f + 0.75f * random_unit(random_at(2, drawn++));
            ends[end_count++] = node;
            ends[end_count++] = other;
            made = arcs_add(&arcs, (struct arc){node, other, weight}) &&
                   arcs_add(&arcs, (struct arc){other, node, weight});
        }
    }
    graph_free(&graph);
    if (!made || !graph_build(&graph, nodes, &arcs))
        err(1, "graph");
    view = &graph.view;
    arcs_free(&arcs);
    free(ends);
}

static void load_corpus(const struct workload *workload)
{
    (void)workload;
    if (corpus.count > 0)
        return;
    enum recall_status status =
        wordnet_exists(WORDNET) ? wordnet_load(&corpus, WORDNET) : synthetic_load(&corpus, 1);
    if (status != RECALL_OK)
        exit(1);
    view = &corpus.graph.view;
}

/* ---- queries -------------------------------------------------------------------------------- */

static void query_cosine(const struct workload *workload, size_t number)
{
    size_t dimension = workload->first, count = workload->second;
    must(cosine_similarity(values + number % count * dimension, dimension, values, count,
                           output.values));
    output_bytes = count * sizeof output.values[0];
}

static void query_select(const struct workload *workload, size_t number)
{
    size_t count = workload->first, selected;
    must(select_best(values + number % ELEMENTS, count, output.hits, BEST, &selected));
    output_bytes = selected * sizeof output.hits[0];
}

static void query_decay(const struct workload *workload, size_t number)
{
    size_t count = workload->first;
    const float *strengths = values + number % ELEMENTS, *ages = values + 2 * ELEMENTS;
    must(decay_strengths(strengths, ages, count, HALF_LIFE, output.values));
    output_bytes = count * sizeof output.values[0];
}

typedef enum kernel_status spread_function(const struct csr_graph *graph,
                                           const struct spread_params *params,
                                           const struct scored *seeds, size_t seed_count,
                                           struct scored *hits, size_t capacity, size_t *hit_count);

static void spread_with(spread_function *spread, size_t number)
{
    static const struct spread_params params = {.threshold = 0.01f, .decay = 0.6f, .max_depth = 4};
    struct scored seeds[SEEDS];
    size_t count;
    for (size_t i = 0; i < SEEDS; i++) {
        uint64_t random = random_at(3, number * SEEDS + i);
        seeds[i] = (struct scored){random_below(random, view->nodes), 1};
    }
    must(spread(view, &params, seeds, SEEDS, output.hits, HITS, &count));
    output_bytes = count * sizeof output.hits[0];
}

static void query_spread(const struct workload *workload, size_t number)
{
    (void)workload;
    spread_with(spread_activation, number);
}

static void query_spread_dense(const struct workload *workload, size_t number)
{
    (void)workload;
    spread_with(spread_activation_dense, number);
}

static void query_recall(const struct workload *workload, size_t number)
{
    static const struct spread_params params = {.threshold = 0.01f, .decay = 0.6f, .max_depth = 4};
    const struct lexicon *lexicon = &corpus.lexicon;
    uint32_t sense = random_below(random_at(1, number), (uint32_t)lexicon->length);
    size_t count;
    (void)workload;
    must(
        engine_recall(&corpus, &params, lexicon->senses[sense].word, output.matches, BEST, &count));
    output_bytes = count * sizeof output.matches[0];
}

#define COSINE(dimension, count, queries)                                                          \
    {                                                                                              \
        "cosine", #dimension "x" #count, dimension, count, queries, make_values, query_cosine      \
    }
#define SELECT(count, queries)                                                                     \
    {                                                                                              \
        "select", #count, count, 0, queries, make_values, query_select                             \
    }
#define DECAY(count, queries)                                                                      \
    {                                                                                              \
        "decay", #count, count, 0, queries, make_values, query_decay                               \
    }
#define SPREAD(nodes, queries)                                                                     \
    {                                                                                              \
        "spread", #nodes, nodes, 0, queries, make_graph, query_spread                              \
    }
#define SPREAD_DENSE(nodes, queries)                                                               \
    {                                                                                              \
        "spread_dense", #nodes, nodes, 0, queries, make_graph, query_spread_dense                  \
    }

static const struct workload made[] = {
    COSINE(384, 10, 6000),  COSINE(384, 100, 1200),  COSINE(384, 1000, 150),
    COSINE(768, 10, 3000),  COSINE(768, 100, 600),   COSINE(768, 1000, 100),
    COSINE(1536, 10, 1500), COSINE(1536, 100, 300),  COSINE(1536, 1000, 100),
    SELECT(100, 6000),      SELECT(1000, 1500),      SELECT(10000, 250),
    DECAY(100, 6000),       DECAY(1000, 800),        DECAY(10000, 100),
    SPREAD(100, 400),       SPREAD(1000, 100),       SPREAD(10000, 30),
    SPREAD_DENSE(100, 400), SPREAD_DENSE(1000, 100), SPREAD_DENSE(10000, 30),
};
static const struct workload with_wordnet[] = {
    {"spread", "wordnet", 0, 0, 100, load_corpus, query_spread},
    {"spread_dense", "wordnet", 0, 0, 100, load_corpus, query_spread_dense},
    {"recall", "wordnet", 0, 0, 200, load_corpus, query_recall},
};
static const struct workload without_wordnet[] = {
    {"recall", "synthetic", 0, 0, 200, load_corpus, query_recall},
};

/* ---- measuring ------------------------------------------------------------------------------ */

static void run(const struct workload *workload, size_t queries)
{
    for (size_t number = 0; number < queries; number++)
        workload->query(workload, number);
}

/* Nanoseconds of a query: the median of passes over the same queries. */
static double time_passes(const struct workload *workload, size_t queries)
{
    double samples[PASSES];
    for (size_t i = 0; i < PASSES; i++) {
        double start = sample_now();
        run(workload, queries);
        samples[i] = (sample_now() - start) / (double)queries;
    }
    return sample_percentile(samples, PASSES, 50);
}

static void time_each(const struct workload *workload, double *latencies, size_t queries)
{
    double start = sample_now();
    for (size_t i = 0; i < queries; i++) {
        workload->query(workload, i);
        double end = sample_now();
        latencies[i] = end - start;
        start = end;
    }
}

static void measure(const struct workload *workload, bool quick)
{
    static double latencies[MOST_QUERIES];
    size_t queries = workload->queries / (quick ? QUICK : 1);

    workload->prepare(workload);
    resident_peak_reset();
    long faults = resident_faults();
    run(workload, WARM_UPS);
    double ns = time_passes(workload, queries);
    if (queries < LATENCIES)
        queries = LATENCIES;
    time_each(workload, latencies, queries);
    faults = resident_faults() - faults;
    long peak_kb = resident_peak_kb();

    const char *kernel = workload->kernel, *size = workload->size;
    sample_print(kernel, size, 1, "ns", ns);
    sample_print(kernel, size, 1, "p50_ns", sample_percentile(latencies, queries, 50));
    sample_print(kernel, size, 1, "p99_ns", sample_percentile(latencies, queries, 99));
    sample_print(kernel, size, 1, "faults", (double)faults);
    sample_print(kernel, size, 1, "peak_kb", (double)peak_kb);
}

static void count(const struct workload *workload, size_t queries)
{
    workload->prepare(workload);
    run(workload, WARM_UPS);
    CALLGRIND_START_INSTRUMENTATION;
    double start = sample_now();
    run(workload, queries);
    CALLGRIND_STOP_INSTRUMENTATION;
    printf("%.9f %.9f\n", start / 1e9, sample_now() / 1e9);
}

/* ---- checking ------------------------------------------------------------------------------- */

/* A digest of what the first queries write, to the last bit. */
static uint64_t checksum(const struct workload *workload)
{
    uint64_t digest = 0;
    workload->prepare(workload);
    for (size_t number = 0; number < CHECKED; number++) {
        workload->query(workload, number);
        const char *bytes = (const char *)&output;
        for (size_t i = 0; i < output_bytes; i += sizeof(uint32_t)) {
            uint32_t word;
            memcpy(&word, bytes + i, sizeof word);
            digest = mix64(digest ^ word);
        }
    }
    return digest;
}

static void write_checksum(const struct workload *workload, char *line, size_t size)
{
    snprintf(line, size, "%s %s %016" PRIx64 "\n", workload->kernel, workload->size,
             checksum(workload));
}

static void print_checksums(struct list list)
{
    char line[LINE];
    for (size_t i = 0; i < list.count; i++) {
        write_checksum(&list.workloads[i], line, sizeof line);
        fputs(line, stdout);
    }
}

/* Starts this program without any preload; what it reads back are its checksums. */
static FILE *start_plain(bool is_recall)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        err(1, "/proc/self/exe");
    self[length] = '\0';
    setenv("BENCH_SELF", self, 1);
    FILE *plain = popen(is_recall ? "LD_PRELOAD= exec \"$BENCH_SELF\" --recall --checksums"
                                  : "LD_PRELOAD= exec \"$BENCH_SELF\" --checksums",
                        "r");
    if (!plain)
        err(1, "popen");
    return plain;
}

static void verify(struct list list, bool is_recall)
{
    char line[LINE], expected[LINE];
    FILE *plain = start_plain(is_recall);
    for (size_t i = 0; i < list.count; i++) {
        write_checksum(&list.workloads[i], line, sizeof line);
        if (!fgets(expected, sizeof expected, plain))
            errx(1, "the process without a preload ended early");
        if (strcmp(line, expected) != 0)
            errx(1, "%s %s: the results differ from those without a preload",
                 list.workloads[i].kernel, list.workloads[i].size);
    }
    if (pclose(plain) != 0)
        errx(1, "the process without a preload failed");
}

/* ---- the command line ----------------------------------------------------------------------- */

static const struct workload *find(struct list list, const char *kernel, const char *size)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.workloads[i].kernel, kernel) == 0 &&
            strcmp(list.workloads[i].size, size) == 0)
            return &list.workloads[i];
    return NULL;
}

static struct list choose(bool is_recall)
{
    if (!is_recall)
        return (struct list){made, sizeof made / sizeof made[0]};
    if (wordnet_exists(WORDNET))
        return (struct list){with_wordnet, sizeof with_wordnet / sizeof with_wordnet[0]};
    return (struct list){without_wordnet, sizeof without_wordnet / sizeof without_wordnet[0]};
}

static void count_one(const char *kernel, const char *size, const char *queries)
{
    const struct workload *workload = find(choose(false), kernel, size);
    if (!workload)
        workload = find(choose(true), kernel, size);
    if (!workload)
        errx(2, "no such kernel and size, or no data for it: %s %s", kernel, size);
    count(workload, strtoul(queries, NULL, 10));
}

int main(int argc, char **argv)
{
    bool is_quick = false, is_recall = false, is_littered = false;
    int i = 1;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            is_quick = true;
        else if (strcmp(argv[i], "--recall") == 0)
            is_recall = true;
        else if (strcmp(argv[i], "--littered") == 0)
            is_littered = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else
            break;
    }
    struct list list = choose(is_recall);
    sample_pin(sample_cores() - 1); /* the first takes most interrupts */
    if (is_littered)
        litter(LITTER, litter_size);
    if (i == argc)
        for (size_t k = 0; k < list.count; k++)
            measure(&list.workloads[k], is_quick);
    else if (i + 1 == argc && strcmp(argv[i], "--verify") == 0)
        verify(list, is_recall);
    else if (i + 1 == argc && strcmp(argv[i], "--checksums") == 0)
        print_checksums(list);
    else if (i + 4 == argc && strcmp(argv[i], "--count") == 0)
        count_one(argv[i + 1], argv[i + 2], argv[i + 3]);
    else
        errx(2, "usage: kernels [--recall] [--quick] [--littered] [--expect LIBRARY] "
                "[--verify | --checksums | --count KERNEL SIZE N]");
    return 0;
}

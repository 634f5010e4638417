/*
 * Unit tests of examples/kernels: against reference implementations, on degenerate input, and
 * with allocations that fail.
 *
 * The references here are written from the formulas alone, in the plainest way and in wider
 * floats; they share no code with the kernels. The program is linked with --wrap for the malloc
 * family: between watch_begin and watch_end allocations are counted and can be made to fail. Only
 * a kernel's call stands between the two, as libcheck's assertions allocate as well.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../examples/kernels/best.h"
#include "../../examples/kernels/cosine.h"
#include "../../examples/kernels/decay.h"
#include "../../examples/kernels/spread.h"
#include "../../examples/kernels/status.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { RANDOM_CASES = 40 };

/* ---- watched allocations -------------------------------------------------------------------- */

static struct {
    bool on;
    size_t calls;   /* allocations asked for */
    size_t allowed; /* of these succeed */
    long live;      /* blocks drawn and not freed */
} watch;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static bool may_allocate(void)
{
    return !watch.on || watch.calls++ < watch.allowed;
}

static void *count_live(void *block)
{
    if (watch.on && block)
        watch.live++;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? count_live(__real_malloc(size)) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? count_live(__real_calloc(count, size)) : NULL;
}

void *__wrap_realloc(void *block, size_t size)
{
    if (!may_allocate())
        return NULL;
    void *moved = __real_realloc(block, size);
    return block ? moved : count_live(moved);
}

void __wrap_free(void *block)
{
    if (watch.on && block)
        watch.live--;
    __real_free(block);
}

static void watch_begin(size_t allowed)
{
    watch.calls = 0;
    watch.live = 0;
    watch.allowed = allowed;
    watch.on = true;
}

/* Asserts that nothing drawn since watch_begin is left. */
static void watch_end(void)
{
    watch.on = false;
    ck_assert_int_eq(watch.live, 0);
}

/* ---- random input --------------------------------------------------------------------------- */

static uint64_t random_state;

/* xorshift64* (Vigna 2016). */
static uint32_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * UINT64_C(2685821657736338717)) >> 32);
}

static void random_seed(int seed)
{
    random_state = (uint64_t)seed + 1;
    for (int i = 0; i < 20; i++)
        random_bits();
}

static uint32_t random_up_to(uint32_t most)
{
    return random_bits() % (most + 1);
}

static float random_between(float low, float high)
{
    return low + (high - low) * ((float)(random_bits() >> 8) / 16777216.0f);
}

static void *draw(size_t count, size_t size)
{
    void *block = calloc(count + 1, size);
    ck_assert_ptr_nonnull(block);
    return block;
}

/* ---- decay ---------------------------------------------------------------------------------- */

START_TEST(decay_matches_reference)
{
    enum { COUNT = 1000 };
    static float strengths[COUNT], ages[COUNT], retained[COUNT];

    random_seed(_i);
    float half_life = random_between(1, 200000);
    for (size_t i = 0; i < COUNT; i++) {
        strengths[i] = random_between(0, 1);
        ages[i] = random_between(0, 1000000);
    }
    ck_assert_int_eq(decay_strengths(strengths, ages, COUNT, half_life, retained), KERNEL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        long double power = -(long double)ages[i] / (long double)half_life;
        double wanted = (double)((long double)strengths[i] * expl(power));
        ck_assert_double_eq_tol((double)retained[i], wanted, 1e-6);
        ck_assert_double_le(fabs((double)retained[i] - wanted), 1e-6 * wanted + (double)FLT_MIN);
    }
}
END_TEST

START_TEST(decay_known_values)
{
    float strengths[] = {0.75f, 1, 0.5f, 0, 1}, ages[] = {0, 86400, 172800, 10, 1e30f};
    float retained[5];

    ck_assert_int_eq(decay_strengths(strengths, ages, 5, 86400, retained), KERNEL_OK);
    ck_assert(retained[0] == 0.75f);
    ck_assert_double_eq_tol((double)retained[1], 0.36787944117144233, 1e-7);
    ck_assert_double_eq_tol((double)retained[2], 0.06766764161830635, 1e-7);
    ck_assert(retained[3] == 0);
    ck_assert(retained[4] == 0);
}
END_TEST

START_TEST(decay_works_in_place)
{
    float strengths[] = {0.25f, 0.5f, 1}, ages[] = {10, 20, 30}, apart[3];

    ck_assert_int_eq(decay_strengths(strengths, ages, 3, 25, apart), KERNEL_OK);
    ck_assert_int_eq(decay_strengths(strengths, ages, 3, 25, strengths), KERNEL_OK);
    ck_assert_mem_eq(strengths, apart, sizeof apart);
}
END_TEST

START_TEST(decay_of_nothing)
{
    ck_assert_int_eq(decay_strengths(NULL, NULL, 0, 1, NULL), KERNEL_OK);
    ck_assert_int_eq(decay_strengths(NULL, NULL, 0, 0, NULL), KERNEL_BAD_ARGUMENT);
}
END_TEST

START_TEST(decay_refuses_parameters)
{
    static const float half_lives[] = {0, -1, -0.0f, NAN, INFINITY, -INFINITY};
    float value = 0.5f, age = 1, kept = 7;

    for (size_t i = 0; i < LENGTH(half_lives); i++)
        ck_assert_int_eq(decay_strengths(&value, &age, 1, half_lives[i], &kept),
                         KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(decay_strengths(NULL, &age, 1, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(decay_strengths(&value, NULL, 1, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(decay_strengths(&value, &age, 1, 1, NULL), KERNEL_BAD_ARGUMENT);
    ck_assert(kept == 7);
}
END_TEST

START_TEST(decay_refuses_elements)
{
    static const float bad[] = {-1, NAN, INFINITY};

    for (size_t i = 0; i < LENGTH(bad); i++) {
        float good[] = {0.5f, 0.5f}, faulty[] = {0.5f, bad[i]}, kept[] = {7, 7};
        ck_assert_int_eq(decay_strengths(faulty, good, 2, 1, kept), KERNEL_BAD_ARGUMENT);
        ck_assert_int_eq(decay_strengths(good, faulty, 2, 1, kept), KERNEL_BAD_ARGUMENT);
        ck_assert(kept[0] == 7 && kept[1] == 7);
    }
}
END_TEST

/* ---- cosine --------------------------------------------------------------------------------- */

static double reference_cosine(const float *a, const float *b, size_t dimension)
{
    long double dot = 0, a_square = 0, b_square = 0;

    for (size_t i = 0; i < dimension; i++) {
        dot += (long double)a[i] * (long double)b[i];
        a_square += (long double)a[i] * (long double)a[i];
        b_square += (long double)b[i] * (long double)b[i];
    }
    return a_square > 0 && b_square > 0 ? (double)(dot / sqrtl(a_square * b_square)) : 0;
}

static void check_cosines(size_t dimension, size_t count)
{
    float *query = draw(dimension, sizeof *query), *scores = draw(count, sizeof *scores);
    float *rows = draw(dimension * count, sizeof *rows);

    for (size_t i = 0; i < dimension; i++)
        query[i] = random_between(-1, 1);
    /* From nearly parallel to the query to unrelated. */
    for (size_t i = 0; i < count * dimension; i++)
        rows[i] = query[i % dimension] + random_between(-3, 3) * (float)(i / dimension);
    ck_assert_int_eq(cosine_similarity(query, dimension, rows, count, scores), KERNEL_OK);
    for (size_t i = 0; i < count; i++)
        ck_assert_double_eq_tol((double)scores[i],
                                reference_cosine(query, rows + i * dimension, dimension), 1e-6);
    free(query);
    free(rows);
    free(scores);
}

START_TEST(cosine_matches_reference_in_any_dimension)
{
    random_seed(_i);
    check_cosines((size_t)_i + 1, 9);
}
END_TEST

START_TEST(cosine_matches_reference_in_768_dimensions)
{
    random_seed(_i);
    check_cosines(768, 64);
}
END_TEST

START_TEST(cosine_known_values)
{
    float query[] = {3, 4}, rows[] = {6, 8, -3, -4, -4, 3, 4, 3}, scores[4];

    ck_assert_int_eq(cosine_similarity(query, 2, rows, 4, scores), KERNEL_OK);
    ck_assert_double_eq_tol((double)scores[0], 1, 1e-7);
    ck_assert_double_eq_tol((double)scores[1], -1, 1e-7);
    ck_assert_double_eq_tol((double)scores[2], 0, 1e-7);
    ck_assert_double_eq_tol((double)scores[3], 0.96, 1e-7);
}
END_TEST

START_TEST(cosine_stays_in_range)
{
    enum { DIMENSION = 33, COUNT = 200 };
    float query[DIMENSION], rows[COUNT * DIMENSION], scores[COUNT];

    random_seed(1);
    for (size_t i = 0; i < DIMENSION; i++)
        query[i] = random_between(-1, 1);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        float factor = (float)(i / DIMENSION + 1) * 0.37f;
        rows[i] = query[i % DIMENSION] * (i / DIMENSION % 2 ? factor : -factor);
    }
    ck_assert_int_eq(cosine_similarity(query, DIMENSION, rows, COUNT, scores), KERNEL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_double_eq_tol(fabs((double)scores[i]), 1, 1e-6);
        ck_assert(scores[i] >= -1 && scores[i] <= 1);
    }
}
END_TEST

START_TEST(cosine_does_not_depend_on_batch_or_alignment)
{
    enum { DIMENSION = 77, COUNT = 8 };
    float query[DIMENSION], rows[COUNT * DIMENSION], scores[COUNT], alone;
    float shifted[DIMENSION + 1];

    random_seed(2);
    for (size_t i = 0; i < DIMENSION; i++)
        query[i] = random_between(-1, 1);
    for (size_t i = 0; i < LENGTH(rows); i++)
        rows[i] = random_between(-1, 1);
    ck_assert_int_eq(cosine_similarity(query, DIMENSION, rows, COUNT, scores), KERNEL_OK);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(shifted + 1, rows + i * DIMENSION, DIMENSION * sizeof *rows);
        ck_assert_int_eq(cosine_similarity(query, DIMENSION, shifted + 1, 1, &alone), KERNEL_OK);
        ck_assert_mem_eq(&alone, &scores[i], sizeof alone);
    }
}
END_TEST

START_TEST(cosine_of_zero_vectors)
{
    float zero[20] = {0}, one[20] = {1}, tiny[20], score = 7;

    for (size_t i = 0; i < LENGTH(tiny); i++)
        tiny[i] = 1e-30f;
    ck_assert_int_eq(cosine_similarity(zero, 20, one, 1, &score), KERNEL_OK);
    ck_assert(score == 0);
    score = 7;
    ck_assert_int_eq(cosine_similarity(one, 20, zero, 1, &score), KERNEL_OK);
    ck_assert(score == 0);
    score = 7;
    ck_assert_int_eq(cosine_similarity(one, 20, tiny, 1, &score), KERNEL_OK);
    ck_assert(score == 0);
    ck_assert_int_eq(cosine_similarity(tiny, 20, one, 1, &score), KERNEL_OK);
    ck_assert_double_eq_tol((double)score, sqrt(1 / 20.0), 1e-6);
}
END_TEST

START_TEST(cosine_of_unusable_rows)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 1e20f};
    /* In a whole block of lanes, and in the rest after it. */
    static const size_t places[] = {3, 17};

    for (size_t i = 0; i < LENGTH(bad) * LENGTH(places); i++) {
        float query[18], rows[3][18], scores[3];
        for (size_t j = 0; j < 18; j++)
            query[j] = rows[0][j] = rows[1][j] = rows[2][j] = 1;
        rows[1][places[i % 2]] = bad[i / 2];
        ck_assert_int_eq(cosine_similarity(query, 18, &rows[0][0], 3, scores), KERNEL_OK);
        ck_assert_double_eq_tol((double)scores[0], 1, 1e-6);
        ck_assert_float_nan(scores[1]);
        ck_assert_double_eq_tol((double)scores[2], 1, 1e-6);
    }
}
END_TEST

START_TEST(cosine_without_candidates)
{
    float query[] = {1, 2};
    ck_assert_int_eq(cosine_similarity(query, 2, NULL, 0, NULL), KERNEL_OK);
}
END_TEST

START_TEST(cosine_refuses)
{
    float query[] = {1, 2}, nan[] = {1, NAN}, infinite[] = {INFINITY, 1}, row[] = {1, 1}, kept = 7;

    ck_assert_int_eq(cosine_similarity(NULL, 2, row, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(cosine_similarity(query, 2, NULL, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(cosine_similarity(query, 2, row, 1, NULL), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(cosine_similarity(query, 0, row, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(cosine_similarity(query, SIZE_MAX, NULL, 0, NULL), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(cosine_similarity(query, 2, row, SIZE_MAX / 4, &kept), KERNEL_BAD_ARGUMENT);
    watch_begin(SIZE_MAX);
    enum kernel_status of_nan = cosine_similarity(nan, 2, row, 1, &kept);
    enum kernel_status of_infinite = cosine_similarity(infinite, 2, row, 1, &kept);
    watch_end();
    ck_assert_int_eq(of_nan, KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(of_infinite, KERNEL_BAD_ARGUMENT);
    ck_assert(kept == 7);
}
END_TEST

/* ---- selection ------------------------------------------------------------------------------ */

static int compare_scored(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

START_TEST(selection_matches_sort)
{
    enum { MOST = 300 };
    float scores[MOST];
    struct scored sorted[MOST], best[MOST];
    size_t usable = 0, selected = 0;

    random_seed(_i);
    size_t count = 1 + random_up_to(MOST - 1), capacity = 1 + random_up_to(MOST - 1);
    for (size_t i = 0; i < count; i++) {
        /* Few values, so that there are many ties. */
        scores[i] = random_up_to(9) == 0 ? NAN : (float)random_up_to(40) - 20;
        if (!isnan(scores[i]))
            sorted[usable++] = (struct scored){(uint32_t)i, scores[i]};
    }
    qsort(sorted, usable, sizeof *sorted, compare_scored);
    ck_assert_int_eq(select_best(scores, count, best, capacity, &selected), KERNEL_OK);
    ck_assert_uint_eq(selected, capacity < usable ? capacity : usable);
    for (size_t i = 0; i < selected; i++) {
        ck_assert_uint_eq(best[i].id, sorted[i].id);
        ck_assert(best[i].score == sorted[i].score);
    }
}
END_TEST

START_TEST(selection_of_special_values)
{
    float scores[] = {NAN, -INFINITY, 0, INFINITY, NAN}, nans[] = {NAN, NAN};
    struct scored best[5];
    size_t selected = 7;

    ck_assert_int_eq(select_best(scores, 5, best, 5, &selected), KERNEL_OK);
    ck_assert_uint_eq(selected, 3);
    ck_assert_uint_eq(best[0].id, 3);
    ck_assert_uint_eq(best[1].id, 2);
    ck_assert_uint_eq(best[2].id, 1);
    ck_assert_int_eq(select_best(nans, 2, best, 5, &selected), KERNEL_OK);
    ck_assert_uint_eq(selected, 0);
}
END_TEST

START_TEST(selection_of_nothing)
{
    struct scored best;
    size_t selected = 7;

    watch_begin(0);
    enum kernel_status status = select_best(NULL, 0, &best, 1, &selected);
    watch_end();
    ck_assert_int_eq(status, KERNEL_OK);
    ck_assert_uint_eq(selected, 0);
}
END_TEST

START_TEST(selection_refuses)
{
    float score = 1;
    struct scored best;
    size_t kept = 7;

    ck_assert_int_eq(select_best(NULL, 1, &best, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(select_best(&score, 1, NULL, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(select_best(&score, 1, &best, 0, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(select_best(&score, 1, &best, 1, NULL), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(select_best(&score, (size_t)UINT32_MAX + 1, &best, 1, &kept),
                     KERNEL_BAD_ARGUMENT);
    ck_assert_uint_eq(kept, 7);
}
END_TEST

/* ---- spreading ------------------------------------------------------------------------------ */

typedef enum kernel_status spread_function(const struct csr_graph *graph,
                                           const struct spread_params *params,
                                           const struct scored *seeds, size_t seed_count,
                                           struct scored *hits, size_t capacity, size_t *hit_count);

/* The form under test. What tests each form is run with each of the fixtures that set it. */
static spread_function *spread;

static void use_sparse(void)
{
    spread = spread_activation;
}

static void use_dense(void)
{
    spread = spread_activation_dense;
}

enum { MOST_NODES = 120, MOST_EDGES = 500 };

struct edge {
    uint32_t from, to;
    float weight;
};

/* A graph as a list of edges in any order, with the CSR form of it that the kernel gets. */
struct test_graph {
    uint32_t nodes, edges;
    struct edge list[MOST_EDGES];
    uint32_t offsets[MOST_NODES + 1], targets[MOST_EDGES];
    float weights[MOST_EDGES];
    struct csr_graph csr;
};

static void make_csr(struct test_graph *graph)
{
    uint32_t place = 0;

    for (uint32_t node = 0; node < graph->nodes; node++) {
        graph->offsets[node] = place;
        for (uint32_t i = 0; i < graph->edges; i++) {
            if (graph->list[i].from == node) {
                graph->targets[place] = graph->list[i].to;
                graph->weights[place++] = graph->list[i].weight;
            }
        }
    }
    graph->offsets[graph->nodes] = place;
    graph->csr = (struct csr_graph){graph->nodes, graph->edges, graph->offsets, graph->targets,
                                    graph->weights};
}

static struct test_graph *make_graph(uint32_t nodes, const struct edge *edges, uint32_t count)
{
    static struct test_graph graph;
    graph = (struct test_graph){.nodes = nodes, .edges = count};
    for (uint32_t i = 0; i < count; i++)
        graph.list[i] = edges[i];
    make_csr(&graph);
    return &graph;
}

/* Sparse to dense; self-loops, parallel edges and unreachable parts come by themselves. */
static struct test_graph *random_graph(void)
{
    struct edge edges[MOST_EDGES];
    uint32_t nodes = 1 + random_up_to(MOST_NODES - 1), count = random_up_to(MOST_EDGES);

    for (uint32_t i = 0; i < count; i++)
        edges[i] =
            (struct edge){random_up_to(nodes - 1), random_up_to(nodes - 1), random_between(0, 1)};
    return make_graph(nodes, edges, count);
}

/* Level by level over dense arrays. depth_of is -1 for what is not reached. */
static void reference_spread(const struct test_graph *graph, const struct spread_params *params,
                             const struct scored *seeds, size_t seed_count, double *activation,
                             long *depth_of)
{
    for (uint32_t node = 0; node < graph->nodes; node++) {
        activation[node] = 0;
        depth_of[node] = -1;
    }
    for (size_t i = 0; i < seed_count; i++) {
        activation[seeds[i].id] += (double)seeds[i].score;
        depth_of[seeds[i].id] = 0;
    }
    for (long depth = 0; depth < (long)params->max_depth; depth++) {
        double arriving[MOST_NODES] = {0};
        for (uint32_t i = graph->edges; i-- > 0;) {
            const struct edge *edge = &graph->list[i];
            if (depth_of[edge->from] != depth || activation[edge->from] < (double)params->threshold)
                continue;
            if (depth_of[edge->to] == -1)
                depth_of[edge->to] = depth + 1;
            if (depth_of[edge->to] == depth + 1)
                arriving[edge->to] +=
                    activation[edge->from] * (double)params->decay * (double)edge->weight;
        }
        for (uint32_t node = 0; node < graph->nodes; node++)
            activation[node] += arriving[node];
    }
}

START_TEST(spread_matches_reference)
{
    double activation[MOST_NODES];
    long depth_of[MOST_NODES];
    struct scored seeds[4], hits[MOST_NODES];
    size_t reached = 0, hit_count = 0;

    random_seed(_i);
    struct test_graph *graph = random_graph();
    struct spread_params params = {random_between(0, 0.4f), random_between(0.2f, 1),
                                   random_up_to(6)};
    for (size_t i = 0; i < LENGTH(seeds); i++)
        seeds[i] = (struct scored){random_up_to(graph->nodes - 1), random_between(0, 1)};

    reference_spread(graph, &params, seeds, LENGTH(seeds), activation, depth_of);
    ck_assert_int_eq(
        spread(&graph->csr, &params, seeds, LENGTH(seeds), hits, LENGTH(hits), &hit_count),
        KERNEL_OK);
    for (uint32_t node = 0; node < graph->nodes; node++)
        reached += depth_of[node] >= 0;
    ck_assert_uint_eq(hit_count, reached);
    for (size_t i = 0; i < hit_count; i++) {
        ck_assert(depth_of[hits[i].id] >= 0);
        ck_assert_double_eq_tol((double)hits[i].score, activation[hits[i].id], 1e-5);
        if (i > 0)
            ck_assert_int_lt(compare_scored(&hits[i - 1], &hits[i]), 0);
    }
}
END_TEST

START_TEST(spread_keeps_the_most_activated)
{
    struct scored all[MOST_NODES], few[MOST_NODES], seed = {0, 1};
    struct spread_params params = {0, 0.9f, 10};
    size_t all_count, few_count;

    random_seed(_i);
    struct test_graph *graph = random_graph();
    ck_assert_int_eq(spread(&graph->csr, &params, &seed, 1, all, LENGTH(all), &all_count),
                     KERNEL_OK);
    size_t capacity = 1 + random_up_to((uint32_t)all_count - 1);
    ck_assert_int_eq(spread(&graph->csr, &params, &seed, 1, few, capacity, &few_count), KERNEL_OK);
    ck_assert_uint_eq(few_count, capacity);
    ck_assert_mem_eq(few, all, capacity * sizeof *few);
}
END_TEST

/* Spreads from `seeds` and returns the activation of each node, -1 for what is not reached. */
static const float *spread_over(const struct test_graph *graph, struct spread_params params,
                                const struct scored *seeds, size_t seed_count)
{
    static float activation[MOST_NODES];
    struct scored hits[MOST_NODES];
    size_t hit_count = SIZE_MAX;

    watch_begin(SIZE_MAX);
    enum kernel_status status =
        spread(&graph->csr, &params, seeds, seed_count, hits, MOST_NODES, &hit_count);
    watch_end();
    ck_assert_int_eq(status, KERNEL_OK);
    for (size_t i = 0; i < MOST_NODES; i++)
        activation[i] = -1;
    for (size_t i = 0; i < hit_count; i++)
        activation[hits[i].id] = hits[i].score;
    return activation;
}

/* Exact: all numbers in these tests are sums of powers of two. */
static void assert_activation(const float *activation, const float *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(activation[i] == wanted[i], "node %zu: %g instead of %g", i,
                      (double)activation[i], (double)wanted[i]);
}

START_TEST(spread_along_a_chain)
{
    static const struct edge chain[] = {{0, 1, 0.5f}, {1, 2, 1}, {2, 3, 0.5f}};
    struct test_graph *graph = make_graph(4, chain, 3);
    struct scored seed = {0, 1};

    assert_activation(spread_over(graph, (struct spread_params){0, 0.5f, 9}, &seed, 1),
                      (float[]){1, 0.25f, 0.125f, 0.03125f}, 4);
    assert_activation(spread_over(graph, (struct spread_params){0, 0.5f, 2}, &seed, 1),
                      (float[]){1, 0.25f, 0.125f, -1}, 4);
    assert_activation(spread_over(graph, (struct spread_params){0, 0.5f, 0}, &seed, 1),
                      (float[]){1, -1, -1, -1}, 4);
    assert_activation(spread_over(graph, (struct spread_params){0, 0, 9}, &seed, 1),
                      (float[]){1, 0, 0, 0}, 4);
}
END_TEST

START_TEST(spread_stops_below_the_threshold)
{
    static const struct edge chain[] = {{0, 1, 0.5f}, {1, 2, 1}, {2, 3, 0.5f}};
    struct test_graph *graph = make_graph(4, chain, 3);
    struct scored seed = {0, 1};

    /* A node with exactly the threshold fires; one below it is a hit but does not. */
    assert_activation(spread_over(graph, (struct spread_params){0.25f, 0.5f, 9}, &seed, 1),
                      (float[]){1, 0.25f, 0.125f, -1}, 4);
    assert_activation(spread_over(graph, (struct spread_params){2, 0.5f, 9}, &seed, 1),
                      (float[]){1, -1, -1, -1}, 4);
}
END_TEST

START_TEST(spread_adds_up_what_meets)
{
    static const struct edge diamond[] = {
        {0, 1, 0.5f}, {0, 2, 0.25f}, {1, 3, 1}, {2, 3, 1}, {0, 1, 0.25f}};
    struct test_graph *graph = make_graph(4, diamond, 5);
    struct scored seed = {0, 1}, twice[] = {{0, 0.5f}, {0, 0.25f}};

    assert_activation(spread_over(graph, (struct spread_params){0, 1, 9}, &seed, 1),
                      (float[]){1, 0.75f, 0.25f, 1}, 4);
    assert_activation(spread_over(graph, (struct spread_params){0, 1, 0}, twice, 2),
                      (float[]){0.75f, -1, -1, -1}, 4);
}
END_TEST

START_TEST(spread_only_flows_forward)
{
    /* A self-loop on each node, a cycle, an edge within a level (1 to 2) and edges back. */
    static const struct edge edges[] = {{0, 0, 1}, {0, 1, 0.5f}, {0, 2, 0.5f}, {1, 1, 1},
                                        {1, 2, 1}, {1, 3, 0.5f}, {2, 0, 1},    {3, 1, 1},
                                        {3, 0, 1}, {3, 3, 1}};
    struct test_graph *graph = make_graph(4, edges, 10);
    struct scored seed = {0, 1};

    assert_activation(spread_over(graph, (struct spread_params){0, 1, 1000}, &seed, 1),
                      (float[]){1, 0.5f, 0.5f, 0.25f}, 4);
}
END_TEST

START_TEST(spread_leaves_other_parts_alone)
{
    static const struct edge edges[] = {{0, 1, 0.5f}, {1, 0, 0.5f}, {2, 3, 0.5f}, {3, 2, 0.5f}};
    struct test_graph *graph = make_graph(5, edges, 4);
    struct scored first = {3, 1}, both[] = {{0, 1}, {2, 0.5f}}, alone = {4, 1};
    struct spread_params params = {0, 1, 5};

    assert_activation(spread_over(graph, params, &first, 1), (float[]){-1, -1, 0.5f, 1, -1}, 5);
    assert_activation(spread_over(graph, params, both, 2), (float[]){1, 0.5f, 0.5f, 0.25f, -1}, 5);
    assert_activation(spread_over(graph, params, &alone, 1), (float[]){-1, -1, -1, -1, 1}, 5);
}
END_TEST

START_TEST(spread_over_little)
{
    struct csr_graph empty = {0};
    struct spread_params params = {0, 1, 5};
    struct scored seed = {0, 1}, hit;
    size_t hit_count = 7;

    ck_assert_int_eq(spread(&empty, &params, NULL, 0, &hit, 1, &hit_count), KERNEL_OK);
    ck_assert_uint_eq(hit_count, 0);
    hit_count = 7;
    ck_assert_int_eq(spread(&empty, &params, &seed, 1, &hit, 1, &hit_count), KERNEL_BAD_ARGUMENT);
    ck_assert_uint_eq(hit_count, 7);

    struct test_graph *lonely = make_graph(1, NULL, 0);
    lonely->csr.targets = NULL;
    lonely->csr.weights = NULL;
    assert_activation(spread_over(lonely, params, &seed, 1), (float[]){1}, 1);
    ck_assert_int_eq(spread(&lonely->csr, &params, NULL, 0, &hit, 1, &hit_count), KERNEL_OK);
    ck_assert_uint_eq(hit_count, 0);
}
END_TEST

/* All numbers are powers of two or few quarters, so that floats hold each sum: with weights from
 * 1/4 and a decay of 1/2, what arrives within 4 steps is a multiple of 2^-14, which they hold up to
 * 2^10. */
enum { SHORT = 4, LARGE = 1 << 10 };

static struct test_graph *exact_graph(void)
{
    struct test_graph *graph = random_graph();
    for (uint32_t i = 0; i < graph->edges; i++)
        graph->weights[i] = 1 / (float)(1 << random_up_to(2));
    return graph;
}

START_TEST(forms_agree_to_the_last_bit)
{
    struct scored seeds[4], sparse[MOST_NODES], dense[MOST_NODES];
    size_t sparse_count, dense_count;

    random_seed(_i);
    struct test_graph *graph = exact_graph();
    struct spread_params params = {1 / (float)(1 << random_up_to(12)), 0.5f, random_up_to(SHORT)};
    size_t seed_count = random_up_to(LENGTH(seeds)), capacity = 1 + random_up_to(MOST_NODES - 1);
    for (size_t i = 0; i < seed_count; i++)
        seeds[i] = (struct scored){random_up_to(graph->nodes - 1), (float)random_up_to(4) / 4};

    ck_assert_int_eq(
        spread_activation(&graph->csr, &params, seeds, seed_count, sparse, capacity, &sparse_count),
        KERNEL_OK);
    ck_assert_int_eq(spread_activation_dense(&graph->csr, &params, seeds, seed_count, dense,
                                             capacity, &dense_count),
                     KERNEL_OK);
    ck_assert(sparse_count == 0 || sparse[0].score < LARGE);
    ck_assert_uint_eq(dense_count, sparse_count);
    ck_assert_mem_eq(dense, sparse, sparse_count * sizeof *sparse);
}
END_TEST

START_TEST(dense_sums_stay_finite)
{
    /* Fourfold at each step, from 1 to 4^99 > FLT_MAX, and then by a weight of 0. */
    enum { STEPS = 99, PARALLEL = 4, NODES = STEPS + 2 };
    struct edge edges[STEPS * PARALLEL + 1];
    struct scored hits[NODES], seed = {0, 1};
    struct spread_params params = {0, 1, UINT32_MAX};
    size_t hit_count;

    for (uint32_t i = 0; i < STEPS * PARALLEL; i++)
        edges[i] = (struct edge){i / PARALLEL, i / PARALLEL + 1, 1};
    edges[STEPS * PARALLEL] = (struct edge){STEPS, STEPS + 1, 0};
    struct test_graph *graph = make_graph(NODES, edges, LENGTH(edges));
    ck_assert_int_eq(
        spread_activation_dense(&graph->csr, &params, &seed, 1, hits, NODES, &hit_count),
        KERNEL_OK);
    ck_assert_uint_eq(hit_count, NODES);
    ck_assert(hits[0].score == FLT_MAX);
    ck_assert(hits[NODES - 1].id == NODES - 1 && hits[NODES - 1].score == 0);
}
END_TEST

static const struct edge pair[] = {{0, 1, 0.5f}, {1, 0, 0.5f}};

static void assert_spread_refuses(const struct csr_graph *graph, struct spread_params params,
                                  struct scored seed, enum kernel_status wanted)
{
    struct scored hits[2] = {{7, 7}, {7, 7}};
    size_t hit_count = 7;

    watch_begin(SIZE_MAX);
    enum kernel_status status = spread(graph, &params, &seed, 1, hits, 2, &hit_count);
    watch_end();
    ck_assert_int_eq(status, wanted);
    ck_assert_uint_eq(hit_count, 7);
    ck_assert(hits[0].id == 7 && hits[1].id == 7);
}

START_TEST(spread_refuses_pointers_and_sizes)
{
    struct test_graph *graph = make_graph(2, pair, 2);
    struct spread_params params = {0, 1, 1};
    struct scored seed = {0, 1}, hit;
    size_t kept = 7;

    ck_assert_int_eq(spread(NULL, &params, &seed, 1, &hit, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(spread(&graph->csr, NULL, &seed, 1, &hit, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(spread(&graph->csr, &params, NULL, 1, &hit, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(spread(&graph->csr, &params, &seed, 1, NULL, 1, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(spread(&graph->csr, &params, &seed, 1, &hit, 0, &kept), KERNEL_BAD_ARGUMENT);
    ck_assert_int_eq(spread(&graph->csr, &params, &seed, 1, &hit, 1, NULL), KERNEL_BAD_ARGUMENT);
    ck_assert_uint_eq(kept, 7);
}
END_TEST

START_TEST(spread_refuses_parameters)
{
    static const struct spread_params bad[] = {{NAN, 1, 1}, {INFINITY, 1, 1}, {-0.5f, 1, 1},
                                               {0, NAN, 1}, {0, -0.5f, 1},    {0, 1.5f, 1}};
    static const struct scored bad_seeds[] = {{2, 1},        {UINT32_MAX, 1}, {0, NAN},
                                              {0, INFINITY}, {0, -1},         {0, 1.5f}};
    struct test_graph *graph = make_graph(2, pair, 2);

    for (size_t i = 0; i < LENGTH(bad); i++)
        assert_spread_refuses(&graph->csr, bad[i], (struct scored){0, 1}, KERNEL_BAD_ARGUMENT);
    for (size_t i = 0; i < LENGTH(bad_seeds); i++)
        assert_spread_refuses(&graph->csr, (struct spread_params){0, 1, 1}, bad_seeds[i],
                              KERNEL_BAD_ARGUMENT);
}
END_TEST

START_TEST(spread_refuses_graphs_without_arrays)
{
    struct spread_params params = {0, 1, 1};
    struct scored seed = {0, 1};
    struct csr_graph graph = make_graph(2, pair, 2)->csr, part = graph;

    part.offsets = NULL;
    assert_spread_refuses(&part, params, seed, KERNEL_BAD_ARGUMENT);
    part = graph;
    part.targets = NULL;
    assert_spread_refuses(&part, params, seed, KERNEL_BAD_ARGUMENT);
    part = graph;
    part.weights = NULL;
    assert_spread_refuses(&part, params, seed, KERNEL_BAD_ARGUMENT);
}
END_TEST

START_TEST(spread_refuses_inconsistent_graphs)
{
    static const uint32_t bad_offsets[][3] = {{1, 1, 2}, {0, 1, 1}, {0, 3, 2}, {0, 1, 3}};
    static const float bad_weights[] = {NAN, INFINITY, -0.5f, 1.5f};
    /* So deep that the fault is met, and no step deeper, where it might show by its effects. */
    struct spread_params first = {0, 1, 1}, second = {0, 1, 2};
    struct scored seed = {0, 1};

    for (size_t i = 0; i < LENGTH(bad_offsets); i++) {
        struct test_graph *graph = make_graph(2, pair, 2);
        memcpy(graph->offsets, bad_offsets[i], sizeof bad_offsets[i]);
        assert_spread_refuses(&graph->csr, first, seed, KERNEL_BAD_GRAPH);
    }
    for (size_t i = 0; i < LENGTH(bad_weights); i++) {
        struct test_graph *graph = make_graph(2, pair, 2);
        graph->weights[1] = bad_weights[i];
        assert_spread_refuses(&graph->csr, second, seed, KERNEL_BAD_GRAPH);
    }
    struct test_graph *graph = make_graph(2, pair, 2);
    graph->targets[1] = 2;
    assert_spread_refuses(&graph->csr, second, seed, KERNEL_BAD_GRAPH);
}
END_TEST

START_TEST(spread_refuses_falling_offsets)
{
    /* Falls within the bounds that the first and the last offset give. */
    static const struct edge edges[] = {{0, 1, 1}, {1, 2, 1}, {2, 0, 1}};
    struct test_graph *graph = make_graph(3, edges, 3);

    graph->offsets[1] = 2;
    graph->offsets[2] = 1;
    assert_spread_refuses(&graph->csr, (struct spread_params){0, 1, 3}, (struct scored){1, 1},
                          KERNEL_BAD_GRAPH);
}
END_TEST

START_TEST(spread_refuses_impossible_counts)
{
    struct csr_graph no_nodes = {.edges = 1}, graph = make_graph(2, pair, 2)->csr;
    struct spread_params params = {0, 1, 1};
    struct scored seed = {0, 1};

    assert_spread_refuses(&no_nodes, params, seed, KERNEL_BAD_GRAPH);
    graph.nodes = UINT32_MAX;
    assert_spread_refuses(&graph, params, seed, KERNEL_BAD_GRAPH);
}
END_TEST

/* ---- failing allocations -------------------------------------------------------------------- */

/*
 * Lets allocation number 1, 2, 3, ... of a kernel's call fail, until the call succeeds, with
 * `wanted` allocations. `call` makes the call under watch, with `allowed` allocations, checks that
 * a failed one has written nothing, and returns its status.
 */
static void fail_each_allocation(enum kernel_status (*call)(size_t allowed), size_t wanted)
{
    for (size_t allowed = 0; allowed < wanted; allowed++) {
        ck_assert_int_eq(call(allowed), KERNEL_NO_MEMORY);
        ck_assert_uint_eq(watch.calls, allowed + 1);
    }
    ck_assert_int_eq(call(wanted), KERNEL_OK);
    ck_assert_uint_eq(watch.calls, wanted);
}

static enum kernel_status call_cosine(size_t allowed)
{
    float query[] = {1, 2, 3}, rows[] = {3, 2, 1}, score = 7;

    watch_begin(allowed);
    enum kernel_status status = cosine_similarity(query, 3, rows, 1, &score);
    watch_end();
    ck_assert(status == KERNEL_OK || score == 7);
    return status;
}

static enum kernel_status call_select(size_t allowed)
{
    float scores[] = {1, 3, 2};
    struct scored best[2] = {{7, 7}, {7, 7}};
    size_t selected = 7;

    watch_begin(allowed);
    enum kernel_status status = select_best(scores, 3, best, 2, &selected);
    watch_end();
    ck_assert(status == KERNEL_OK || (selected == 7 && best[0].id == 7 && best[1].id == 7));
    return status;
}

/* Over a star, which makes a frontier and the visited set grow. */
static enum kernel_status call_spread(size_t allowed)
{
    struct edge edges[MOST_NODES - 1];
    struct scored hits[MOST_NODES] = {{7, 7}}, seed = {0, 1};
    struct spread_params params = {0, 0.5f, 2};
    size_t hit_count = 7;

    for (uint32_t i = 0; i < LENGTH(edges); i++)
        edges[i] = (struct edge){0, i + 1, 0.5f};
    struct test_graph *graph = make_graph(MOST_NODES, edges, LENGTH(edges));
    watch_begin(allowed);
    enum kernel_status status =
        spread(&graph->csr, &params, &seed, 1, hits, MOST_NODES, &hit_count);
    watch_end();
    ck_assert(status == KERNEL_OK || (hit_count == 7 && hits[0].id == 7));
    return status;
}

START_TEST(cosine_survives_failing_allocations)
{
    fail_each_allocation(call_cosine, 1);
}
END_TEST

START_TEST(selection_survives_failing_allocations)
{
    fail_each_allocation(call_select, 1);
}
END_TEST

START_TEST(sparse_survives_failing_allocations)
{
    use_sparse();
    /* A block per node, two tables, three sizes of one frontier, one of the other, the heap. */
    fail_each_allocation(call_spread, MOST_NODES + 2 + 3 + 1 + 1);
}
END_TEST

START_TEST(dense_survives_failing_allocations)
{
    use_dense();
    /* Three arrays, the set, the heap: however many nodes are reached. */
    fail_each_allocation(call_spread, 3 + 1 + 1);
}
END_TEST

START_TEST(selection_of_too_many)
{
    struct best_heap heap;

    ck_assert_int_eq(best_heap_init(&heap, SIZE_MAX / sizeof *heap.items + 2), KERNEL_NO_MEMORY);
    ck_assert_ptr_null(heap.items);
    best_heap_free(&heap);
}
END_TEST

START_TEST(every_status_has_a_text)
{
    static const enum kernel_status all[] = {KERNEL_OK, KERNEL_BAD_ARGUMENT, KERNEL_BAD_GRAPH,
                                             KERNEL_NO_MEMORY};
    const char *unknown = kernel_status_text((enum kernel_status)99);

    for (size_t i = 0; i < LENGTH(all); i++) {
        ck_assert_str_ne(kernel_status_text(all[i]), unknown);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(kernel_status_text(all[i]), kernel_status_text(all[j]));
    }
}
END_TEST

/* ---- suite ---------------------------------------------------------------------------------- */

static TCase *decay_case(void)
{
    TCase *tests = tcase_create("decay");
    tcase_add_loop_test(tests, decay_matches_reference, 0, RANDOM_CASES);
    tcase_add_test(tests, decay_known_values);
    tcase_add_test(tests, decay_works_in_place);
    tcase_add_test(tests, decay_of_nothing);
    tcase_add_test(tests, decay_refuses_parameters);
    tcase_add_test(tests, decay_refuses_elements);
    return tests;
}

static TCase *cosine_case(void)
{
    TCase *tests = tcase_create("cosine");
    tcase_add_loop_test(tests, cosine_matches_reference_in_any_dimension, 0, RANDOM_CASES);
    tcase_add_loop_test(tests, cosine_matches_reference_in_768_dimensions, 0, RANDOM_CASES);
    tcase_add_test(tests, cosine_known_values);
    tcase_add_test(tests, cosine_stays_in_range);
    tcase_add_test(tests, cosine_does_not_depend_on_batch_or_alignment);
    tcase_add_test(tests, cosine_of_zero_vectors);
    tcase_add_test(tests, cosine_of_unusable_rows);
    tcase_add_test(tests, cosine_without_candidates);
    tcase_add_test(tests, cosine_refuses);
    tcase_add_test(tests, cosine_survives_failing_allocations);
    return tests;
}

static TCase *selection_case(void)
{
    TCase *tests = tcase_create("selection");
    tcase_add_loop_test(tests, selection_matches_sort, 0, RANDOM_CASES);
    tcase_add_test(tests, selection_of_special_values);
    tcase_add_test(tests, selection_of_nothing);
    tcase_add_test(tests, selection_of_too_many);
    tcase_add_test(tests, selection_refuses);
    tcase_add_test(tests, selection_survives_failing_allocations);
    return tests;
}

static TCase *spread_case(const char *name, void (*use_form)(void))
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, use_form, NULL);
    tcase_add_loop_test(tests, spread_matches_reference, 0, 5 * RANDOM_CASES);
    tcase_add_loop_test(tests, spread_keeps_the_most_activated, 0, RANDOM_CASES);
    tcase_add_test(tests, spread_along_a_chain);
    tcase_add_test(tests, spread_stops_below_the_threshold);
    tcase_add_test(tests, spread_adds_up_what_meets);
    tcase_add_test(tests, spread_only_flows_forward);
    tcase_add_test(tests, spread_leaves_other_parts_alone);
    tcase_add_test(tests, spread_over_little);
    tcase_add_test(tests, spread_refuses_pointers_and_sizes);
    tcase_add_test(tests, spread_refuses_parameters);
    tcase_add_test(tests, spread_refuses_graphs_without_arrays);
    tcase_add_test(tests, spread_refuses_inconsistent_graphs);
    tcase_add_test(tests, spread_refuses_falling_offsets);
    tcase_add_test(tests, spread_refuses_impossible_counts);
    return tests;
}

static TCase *forms_case(void)
{
    TCase *tests = tcase_create("forms of spreading");
    tcase_add_loop_test(tests, forms_agree_to_the_last_bit, 0, 5 * RANDOM_CASES);
    tcase_add_test(tests, dense_sums_stay_finite);
    tcase_add_test(tests, sparse_survives_failing_allocations);
    tcase_add_test(tests, dense_survives_failing_allocations);
    return tests;
}

static TCase *status_case(void)
{
    TCase *tests = tcase_create("status");
    tcase_add_test(tests, every_status_has_a_text);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("kernels");
    suite_add_tcase(suite, decay_case());
    suite_add_tcase(suite, cosine_case());
    suite_add_tcase(suite, selection_case());
    suite_add_tcase(suite, spread_case("sparse spreading", use_sparse));
    suite_add_tcase(suite, spread_case("dense spreading", use_dense));
    suite_add_tcase(suite, forms_case());
    suite_add_tcase(suite, status_case());

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

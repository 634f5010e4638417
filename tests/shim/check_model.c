/*
 * Model-based test of scopes and blocks: random operations, compared with a plain model of what
 * must be alive, where it comes from and what has been counted.
 *
 * The model knows every live block with its size, its scope and a pattern that fills it. A block
 * that overlaps another, moves without its contents, is badly aligned, comes from the wrong place
 * or is not zeroed is found at once; a byte that somebody else wrote is found when the block is
 * looked at, at its end at the latest. Blocks also change threads, and are freed there. At the end
 * the shim's counts must be the model's.
 *
 * SHIM_MODEL_SEED and SHIM_MODEL_OPERATIONS choose another run; a failure prints the seed.
 */
#include "harness.h"

enum { CAPACITY = 64 * 1024, LIMIT = 512 * 1024, BLOCKS = 160, DEPTH = 24, POSTED = 64 };

static const uint64_t default_seed = 20240611;
static const uint64_t default_operations = 1000000;

static const struct setup {
    const char *name;
    enum overflow_policy policy;
    size_t align;
    int threads;
    const char *debug; /* ARENASHIM_DEBUG */
} setups[] = {
    {"grow", OVERFLOW_GROW, 16, 1, NULL},
    {"fallback, aligned to 64", OVERFLOW_FALLBACK, 64, 1, NULL},
    {"error", OVERFLOW_ERROR, 16, 1, NULL},
    {"four threads", OVERFLOW_GROW, 16, 4, NULL},
    {"four threads, fallback", OVERFLOW_FALLBACK, 32, 4, NULL},
    {"poison and verify", OVERFLOW_GROW, 16, 1, "poison,verify"},
    {"quarantine, four threads", OVERFLOW_GROW, 16, 4, "quarantine"},
    {"all switches, fallback", OVERFLOW_FALLBACK, 64, 1, "poison,verify,quarantine"},
};

static const struct setup *setup;
static uint64_t seed, operations; /* of each thread */

struct model_block {
    unsigned char *block;
    size_t size;
    size_t alignment;
    uint64_t pattern;
    int depth; /* of the scope that it is from; 0: of the next allocator */
};

struct counts {
    uint64_t routed, freed, ignored, paused, others, fallbacks, scopes, left_open, ended_paused;
};

struct model {
    int number; /* of the thread */
    uint64_t random;
    uint64_t operation;
    uint64_t patterns;
    struct model_block blocks[BLOCKS];
    size_t block_count;
    arena_scope_token tokens[DEPTH + 1]; /* of open scopes, by depth from 1 */
    int pauses[DEPTH + 1];
    int depth;
    struct counts counts;
};

#define model_require(condition) ((condition) ? (void)0 : model_failed(model, #condition, __LINE__))

__attribute__((noreturn, cold)) static void model_failed(const struct model *model,
                                                         const char *condition, int line)
{
    dprintf(STDERR_FILENO,
            "%s:%d: not so: %s\n%s, thread %d, operation %llu; again with SHIM_MODEL_SEED=%llu "
            "SHIM_MODEL_OPERATIONS=%llu\n",
            __FILE__, line, condition, setup->name, model->number,
            (unsigned long long)model->operation, (unsigned long long)seed,
            (unsigned long long)operations * COUNT(setups) * (unsigned)setup->threads);
    abort();
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static uint64_t model_below(struct model *model, uint64_t bound)
{
    model->random ^= model->random >> 12;
    model->random ^= model->random << 25;
    model->random ^= model->random >> 27;
    return (model->random * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

static size_t random_size(struct model *model)
{
    switch (model_below(model, 64)) {
    case 0:
        return model_below(model, LIMIT + CAPACITY);
    case 1:
    case 2:
    case 3:
        return model_below(model, 20000);
    case 4:
        return 0;
    default:
        return model_below(model, 400);
    }
}

/* ---- contents -------------------------------------------------------------------------------- */

/* Large blocks are written and looked at in part: their first and last bytes, and one in 509. */
static size_t next_watched(size_t at, size_t size)
{
    return at < 300 || at + 300 >= size ? at + 1 : at + 509 < size - 300 ? at + 509 : size - 300;
}

static unsigned char pattern_at(uint64_t pattern, size_t at)
{
    return (unsigned char)(pattern + at * 7 + (at >> 8));
}

static void fill(struct model *model, struct model_block *entry)
{
    entry->pattern = model->patterns += 37;
    for (size_t at = 0; at < entry->size; at = next_watched(at, entry->size))
        entry->block[at] = pattern_at(entry->pattern, at);
}

/* Whether the first `size` bytes are the pattern's, as of a block of `whole` bytes. */
static void look(const struct model *model, const unsigned char *block, uint64_t pattern,
                 size_t size, size_t whole)
{
    for (size_t at = 0; at < size; at = next_watched(at, whole))
        model_require(block[at] == pattern_at(pattern, at));
}

static void look_at(const struct model *model, const struct model_block *entry)
{
    look(model, entry->block, entry->pattern, entry->size, entry->size);
}

/* ---- what must be ---------------------------------------------------------------------------- */

static bool is_paused(const struct model *model)
{
    return model->pauses[model->depth] > 0;
}

static void check_placement(const struct model *model, const struct model_block *entry)
{
    uintptr_t start = (uintptr_t)entry->block;
    size_t usable = t_usable(entry->block);
    model_require(usable >= entry->size && (usable > 0 || entry->depth == 0));
    model_require(start % (entry->alignment > 16 ? entry->alignment : 16) == 0);
    if (entry->depth == 0)
        return;
    uintptr_t end = fixed.checked ? hot.thread->memory_end : hot.thread->limit_end;
    model_require(start % fixed.config.align == 0);
    model_require(start >= hot.thread->memory && start + usable <= end);
    for (size_t i = 0; i < model->block_count; i++) {
        const struct model_block *other = &model->blocks[i];
        uintptr_t other_start = (uintptr_t)other->block;
        model_require(other == entry || other->depth == 0 || other_start + other->size <= start ||
                      start + usable <= other_start);
    }
}

/* Adds what a call returned. `routed` says whether it had to be served from the arena, but for an
 * overflow; NULL is right only for an overflow that is an error. */
static struct model_block *add(struct model *model, void *block, size_t size, size_t alignment,
                               bool routed)
{
    if (!block) {
        model_require(routed && setup->policy == OVERFLOW_ERROR);
        return NULL;
    }
    bool ours = block_is_ours(block);
    model_require(routed || !ours);
    if (routed && !ours)
        model->counts.fallbacks++;
    if (ours)
        model->counts.routed++;
    struct model_block *entry = &model->blocks[model->block_count++];
    *entry = (struct model_block){block, size, alignment, 0, ours ? model->depth : 0};
    check_placement(model, entry);
    return entry;
}

static void drop(struct model *model, size_t index)
{
    model->blocks[index] = model->blocks[--model->block_count];
}

/* ---- operations ------------------------------------------------------------------------------ */

/* Counts a call that allocates, and says whether it is routed. */
static bool count_call(struct model *model, bool marked)
{
    if (model->depth > 0 && is_paused(model))
        model->counts.paused++;
    else if (model->depth > 0 && !marked)
        model->counts.others++;
    return model->depth > 0 && !is_paused(model) && marked;
}

static void do_allocate(struct model *model)
{
    size_t size = random_size(model);
    size_t alignment = 0;
    bool marked = model_below(model, 20) != 0;
    bool zeroed = false;
    void *block;
    if (model->block_count == BLOCKS)
        return;
    switch (marked ? model_below(model, 4) : 0) {
    default:
        block = t_malloc_from(marked ? marked_caller() : other_caller(), size);
        break;
    case 1:
        zeroed = true;
        block = t_calloc(1, size);
        break;
    case 2:
        alignment = (size_t)16 << model_below(model, 10);
        block = t_memalign(alignment, size);
        break;
    }
    struct model_block *entry = add(model, block, size, alignment, count_call(model, marked));
    if (!entry)
        return;
    if (zeroed)
        model_require(holds_only(block, size, 0));
    fill(model, entry);
}

static void do_free(struct model *model)
{
    if (model->block_count == 0)
        return;
    /* Often the newest: that one steps the cursor back. */
    size_t index =
        model_below(model, 2) ? model->block_count - 1 : model_below(model, model->block_count);
    look_at(model, &model->blocks[index]);
    model->counts.freed += model->blocks[index].depth > 0;
    t_free(model->blocks[index].block);
    drop(model, index);
}

static void do_resize(struct model *model)
{
    if (model->block_count == 0)
        return;
    size_t index =
        model_below(model, 2) ? model->block_count - 1 : model_below(model, model->block_count);
    struct model_block old = model->blocks[index];
    size_t size = 1 + random_size(model);
    bool marked = model_below(model, 20) != 0;
    look_at(model, &old);
    void *block = t_realloc_from(marked ? marked_caller() : other_caller(), old.block, size);
    bool routed = old.depth > 0 && count_call(model, marked);
    if (!block) {
        model_require(routed && setup->policy == OVERFLOW_ERROR && size > old.size);
        look_at(model, &old);
        return;
    }
    look(model, block, old.pattern, old.size < size ? old.size : size, old.size);
    drop(model, index);
    model->counts.freed += old.depth > 0 && block != old.block;
    struct model_block *entry = add(model, block, size, 0, routed);
    if (block == old.block)
        entry->depth = old.depth;
    fill(model, entry);
}

static void do_keep(struct model *model)
{
    if (model->block_count == 0)
        return;
    size_t index = model_below(model, model->block_count);
    struct model_block *entry = &model->blocks[index];
    unsigned char *kept = arena_scope_keep(entry->block);
    model_require(kept && !block_is_ours(kept));
    model_require(kept == entry->block || entry->depth > 0);
    model->counts.freed += entry->depth > 0;
    entry->block = kept;
    entry->depth = 0;
    entry->alignment = 0;
    look_at(model, entry);
}

static void do_begin(struct model *model)
{
    if (model->depth == DEPTH)
        return;
    model->depth++;
    model->tokens[model->depth] = begin(model->depth % 2 ? "odd" : "even");
    model->pauses[model->depth] = 0;
    model->counts.scopes++;
}

/* Ends a scope, most often the innermost one. Its blocks must have been intact. */
static void do_end(struct model *model)
{
    if (model->depth == 0)
        return;
    int ended =
        model_below(model, 10) ? model->depth : 1 + (int)model_below(model, (uint64_t)model->depth);
    void *stale = NULL;
    for (size_t i = model->block_count; i-- > 0;) {
        if (model->blocks[i].depth < ended)
            continue;
        look_at(model, &model->blocks[i]);
        stale = model->blocks[i].block;
        drop(model, i);
    }
    arena_scope_end(model->tokens[ended]);
    model->counts.left_open += (uint64_t)(model->depth - ended);
    model->counts.ended_paused += model->pauses[ended] > 0;
    model->depth = ended - 1;
    model_require((hot.cursor == 0) == (model->depth == 0));
    model_require(arena_scope_active() == (model->depth > 0 && !is_paused(model)));
    if (model->depth == 0 && stale) {
        model->counts.ignored++;
        t_free(stale);
    }
}

static void do_pause_or_resume(struct model *model)
{
    if (model->depth == 0)
        return;
    if (is_paused(model) && model_below(model, 4)) {
        arena_scope_resume();
        model->pauses[model->depth]--;
    } else if (model_below(model, 3) == 0) {
        arena_scope_pause();
        model->pauses[model->depth]++;
    }
    model_require(arena_scope_active() == !is_paused(model));
}

/* ---- blocks that change threads -------------------------------------------------------------- */

static pthread_mutex_t post_lock = PTHREAD_MUTEX_INITIALIZER;
static struct posted {
    int from;
    unsigned char *block;
} posted[POSTED];
static int posted_count;

static void do_post(struct model *model)
{
    if (model->block_count == 0 || setup->threads == 1)
        return;
    size_t index = model_below(model, model->block_count);
    look_at(model, &model->blocks[index]);
    pthread_mutex_lock(&post_lock);
    if (posted_count < POSTED) {
        posted[posted_count++] = (struct posted){model->number, model->blocks[index].block};
        drop(model, index);
    }
    pthread_mutex_unlock(&post_lock);
}

static void do_free_posted(struct model *model)
{
    unsigned char *block = NULL;
    pthread_mutex_lock(&post_lock);
    if (posted_count > 0 && posted[posted_count - 1].from != model->number)
        block = posted[--posted_count].block;
    pthread_mutex_unlock(&post_lock);
    if (!block)
        return;
    model->counts.ignored += block_is_ours(block);
    t_free(block);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void step(struct model *model)
{
    switch (model_below(model, 32)) {
    case 0:
    case 1:
    case 2:
        do_begin(model);
        break;
    case 3:
    case 4:
        do_end(model);
        break;
    case 5:
        do_pause_or_resume(model);
        break;
    case 6:
        do_keep(model);
        break;
    case 7:
        do_post(model);
        break;
    case 8:
        do_free_posted(model);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        do_resize(model);
        break;
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
        do_free(model);
        break;
    default:
        do_allocate(model);
    }
}

/* A thread that exits leaves its arena to the next, which would take posted blocks of the other for
 * its own. */
static pthread_barrier_t all_done;

static void *run_model(void *argument)
{
    struct model *model = argument;
    for (; model->operation < operations; model->operation++)
        step(model);
    while (model->depth > 0)
        do_end(model);
    while (model->block_count > 0)
        do_free(model);
    pthread_barrier_wait(&all_done);
    return NULL;
}

static void check_counts(struct model *model)
{
    const struct stats *stats = stats_now();
    const struct counts *counts = &model->counts;
    model_require(stats_routed_calls(stats) == counts->routed);
    model_require(stats->freed == counts->freed);
    model_require(stats->ignored_frees == counts->ignored);
    model_require(stats->paused == counts->paused);
    model_require(stats->not_participating == counts->others);
    model_require(stats->all_sites.fallbacks == counts->fallbacks);
    model_require(stats->all_sites.scopes == counts->scopes);
    model_require(stats->left_open == counts->left_open);
    model_require(stats->misuses == counts->ended_paused);
    model_require(stats->unknown == 0 && stats->interrupted == 0);
    model_require(stats->all_sites.overflows >= counts->fallbacks);
    model_require(fixed.checked || stats->high_water <= LIMIT);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

static void add_counts(struct counts *sum, const struct counts *counts)
{
    sum->routed += counts->routed;
    sum->freed += counts->freed;
    sum->ignored += counts->ignored;
    sum->paused += counts->paused;
    sum->others += counts->others;
    sum->fallbacks += counts->fallbacks;
    sum->scopes += counts->scopes;
    sum->left_open += counts->left_open;
    sum->ended_paused += counts->ended_paused;
}

static void run_setup(void)
{
    static struct model models[4];
    bool is_slow = track_emulated() || THREAD_SANITIZED;
    pthread_t threads[COUNT(models)];
    setup = &setups[atoi(fresh_argument)];
    seed = number_from("SHIM_MODEL_SEED", default_seed);
    operations = number_from("SHIM_MODEL_OPERATIONS", is_slow ? 50000 : default_operations) /
                 COUNT(setups) / (uint64_t)setup->threads;
    if (setup->debug)
        setenv("ARENASHIM_DEBUG", setup->debug, 1);
    routing_start(CAPACITY, LIMIT, setup->align);
    fixed.config.overflow = setup->policy;
    pthread_barrier_init(&all_done, NULL, (unsigned)setup->threads);
    for (int i = 0; i < setup->threads; i++) {
        models[i].number = i;
        models[i].random = (seed + (uint64_t)i) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        require(pthread_create(&threads[i], NULL, run_model, &models[i]) == 0);
    }
    for (int i = 0; i < setup->threads; i++)
        pthread_join(threads[i], NULL);
    struct model *sum = &models[0];
    for (int i = 1; i < setup->threads; i++)
        add_counts(&sum->counts, &models[i].counts);
    for (int i = 0; i < posted_count; i++)
        if (!block_is_ours(posted[i].block))
            t_free(posted[i].block);
    check_counts(sum);
}

START_TEST(random_operations)
{
    char number[24];
    snprintf(number, sizeof number, "%d", _i);
    ck_assert_msg(run_fresh_with("run_setup", number) == 0, "%s", setups[_i].name);
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *model_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, random_operations, 0, COUNT(setups));
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{"run_setup", run_setup}, {NULL, NULL}};
    return run_suite(model_suite, cases, argc, argv);
}

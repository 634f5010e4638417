#define _GNU_SOURCE
#include "model.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define HEADER sizeof(size_t)
#define OF(worker, bound) model_below(&(worker)->random, (bound))

struct settings settings;
struct worker workers[WORKERS_MAX];

/* The memory of the first slot, and the distance to the second's. */
static uintptr_t region_memory;
static size_t region_span;
/* 1 more than the number of the worker that has the slot. */
static int slot_owners[WORKERS_MAX + 2];

void model_failed(const struct worker *worker, const char *condition, const char *file, int line)
{
    dprintf(STDERR_FILENO, "%s:%d: not so: %s\nworker %d%s, operation %llu, seed %llu\n", file,
            line, condition, worker->number, worker->in_child ? " (in a fork child)" : "",
            (unsigned long long)worker->operation, (unsigned long long)settings.seed);
    abort();
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
uint64_t model_below(uint64_t *random, uint64_t bound)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (*random * UINT64_C(0x2545f4914f6cdd1d) >> 20) % bound;
}

static size_t random_size(uint64_t *random)
{
    size_t large = settings.limit < (size_t)1 << 20 ? settings.limit : (size_t)1 << 20;
    switch (model_below(random, 64)) {
    case 0:
        return model_below(random, large + large / 4);
    case 1:
    case 2:
        return model_below(random, 20000);
    case 3:
        return 0;
    default:
        return model_below(random, 400);
    }
}

static void digest(struct worker *worker, uint64_t value)
{
    worker->digest = (worker->digest ^ value) * UINT64_C(0x100000001b3);
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

static void fill(struct worker *worker, struct block *block)
{
    block->pattern =
        ((uint64_t)worker->number << 32 | ++worker->patterns) * 0x9e3779b97f4a7c15 >> 9;
    for (size_t at = 0; at < block->size; at = next_watched(at, block->size))
        block->start[at] = pattern_at(block->pattern, at);
}

/* The first `size` bytes of what was a block of `whole` bytes. */
static void look(const struct worker *worker, const unsigned char *start, uint64_t pattern,
                 size_t size, size_t whole)
{
    for (size_t at = 0; at < size; at = next_watched(at, whole))
        REQUIRE(worker, start[at] == pattern_at(pattern, at));
}

static void look_at(const struct worker *worker, const struct block *block)
{
    look(worker, block->start, block->pattern, block->size, block->size);
}

static bool is_zero(const unsigned char *start, size_t size)
{
    return size == 0 || (start[0] == 0 && memcmp(start, start + 1, size - 1) == 0);
}

/* ---- where blocks must come from ------------------------------------------------------------- */

static bool is_ours(const void *start)
{
    return region_memory != 0 &&
           (uintptr_t)start - region_memory < region_span * COUNT(slot_owners);
}

/* The slot is known from the first marked scope on. */
static bool is_own_slot(const struct worker *worker, const void *start)
{
    return worker->base == 0 ||
           ((uintptr_t)start - region_memory) / region_span == (size_t)worker->slot;
}

static size_t total_size(size_t size)
{
    return (size + HEADER + settings.align - 1) & ~(settings.align - 1);
}

static uintptr_t header_of(const struct block *block)
{
    return (uintptr_t)block->start - HEADER;
}

static uintptr_t memory_of(const struct worker *worker)
{
    return worker->base + HEADER - settings.align;
}

static bool is_routed(const struct worker *worker)
{
    return worker->depth > 0 ? worker->scopes[worker->depth].pauses == 0 : settings.ambient;
}

enum origin { ARENA, OUTSIDE, REFUSED, ANY };

struct answer {
    enum origin origin;
    uintptr_t start; /* of a block from the arena, when it is known */
    bool routed;
};

/* What a routed call for a new block has to give. */
static struct answer expect_routed(const struct worker *worker, size_t size, size_t alignment)
{
    static const enum origin past_capacity[] = {
        [GROW] = ARENA, [FALLBACK] = OUTSIDE, [ERROR] = REFUSED};
    if (!settings.exact || worker->depth == 0)
        return (struct answer){ANY, 0, true};
    if (alignment < settings.align)
        alignment = settings.align;
    uintptr_t start = (worker->cursor + HEADER + alignment - 1) & ~(alignment - 1);
    uintptr_t limit_end = memory_of(worker) + settings.limit;
    bool is_large = alignment > settings.limit || size > settings.limit || start > limit_end ||
                    start - HEADER + total_size(size) > limit_end;
    if (!is_large && start - HEADER + total_size(size) <= memory_of(worker) + settings.capacity)
        return (struct answer){ARENA, start, true};
    if (is_large && settings.policy == GROW)
        return (struct answer){OUTSIDE, 0, true};
    return (struct answer){past_capacity[settings.policy], start, true};
}

static struct answer expect(const struct worker *worker, size_t size, size_t alignment)
{
    return is_routed(worker) ? expect_routed(worker, size, alignment)
                             : (struct answer){OUTSIDE, 0, false};
}

static void check_answer(const struct worker *worker, const struct answer *answer,
                         const void *start)
{
    switch (answer->origin) {
    case ARENA:
        REQUIRE(worker, start && (uintptr_t)start == answer->start);
        break;
    case OUTSIDE:
        REQUIRE(worker, start && !is_ours(start));
        break;
    case REFUSED:
        REQUIRE(worker, !start && errno == ENOMEM);
        break;
    case ANY:
        REQUIRE(worker, start || (settings.policy == ERROR && errno == ENOMEM));
        break;
    }
}

static void check_block(const struct worker *worker, const struct block *block)
{
    uintptr_t start = (uintptr_t)block->start;
    size_t alignment = block->alignment;
    if (block->ours && alignment < settings.align)
        alignment = settings.align;
    REQUIRE(worker, start % alignment == 0);
    REQUIRE(worker, block->usable >= block->size);
    /* Under Valgrind the C library's empty blocks have no byte that can be used. */
    REQUIRE(worker, block->usable > 0 || (!block->ours && settings.memcheck));
    if (block->ours) {
        REQUIRE(worker, is_own_slot(worker, block->start));
        if (settings.exact)
            REQUIRE(worker, block->usable == total_size(block->size) - HEADER);
    }
    for (size_t i = 0; i < worker->count; i++) {
        const struct block *other = &worker->blocks[i];
        uintptr_t other_start = (uintptr_t)other->start;
        REQUIRE(worker, other == block || other_start + other->usable <= start ||
                            start + block->usable <= other_start);
    }
}

/* ---- the worker's list of blocks ------------------------------------------------------------- */

static bool is_full(const struct worker *worker)
{
    return worker->count == BLOCKS;
}

/* Enters what a call returned after `answer` was expected, and fills it. NULL when it was
 * refused. */
static struct block *enter(struct worker *worker, const struct answer *answer, void *start,
                           size_t size, size_t alignment, enum kind kind)
{
    check_answer(worker, answer, start);
    digest(worker, size);
    if (!start) {
        digest(worker, 'x');
        return NULL;
    }
    bool ours = is_ours(start);
    struct block *block = &worker->blocks[worker->count++];
    /* A block that should have come from the arena has its alignment wherever it comes from. */
    if (alignment < settings.align && answer->routed)
        alignment = settings.align;
    *block = (struct block){
        .start = start,
        .size = size,
        .usable = malloc_usable_size(start),
        .alignment = alignment < 16 ? 16 : alignment,
        .kind = kind,
        .ours = ours,
        .depth = worker->depth,
    };
    worker->counts.routed += ours;
    worker->counts.fallbacks += !ours && answer->routed;
    check_block(worker, block);
    if (ours) {
        /* Else where a block lies depends on what other threads have left in the slot. */
        if (settings.exact)
            digest(worker, (uintptr_t)start - worker->base);
        worker->cursor = header_of(block) + total_size(size);
    }
    fill(worker, block);
    return block;
}

static void forget(struct worker *worker, struct block *block)
{
    *block = worker->blocks[--worker->count];
}

/* What the free of a block does to the arena. */
static bool is_newest(const struct worker *worker, const struct block *block)
{
    return block->ours && worker->depth > 0 &&
           header_of(block) >= worker->scopes[worker->depth].start &&
           header_of(block) + block->usable + HEADER == worker->cursor;
}

static void step_back(struct worker *worker, const struct block *block)
{
    if (is_newest(worker, block))
        worker->cursor = header_of(block);
}

/* Often the newest: that one steps the cursor back. */
static struct block *some_block(struct worker *worker)
{
    if (worker->count == 0)
        return NULL;
    return &worker->blocks[OF(worker, 2) ? worker->count - 1 : OF(worker, worker->count)];
}

/* ---- allocating ------------------------------------------------------------------------------ */

static void allocate_usual(struct worker *worker, bool zeroed)
{
    size_t size = random_size(&worker->random);
    struct answer answer = expect(worker, size, 0);
    size_t count = size % 3 == 0 ? 3 : 1;
    unsigned char *start;
    if (!zeroed)
        start = OF(worker, 8) ? malloc(size) : realloc(NULL, size);
    else
        start = OF(worker, 8) ? calloc(count, size / count) : calloc(size / count, count);
    if (zeroed && start)
        REQUIRE(worker, is_zero(start, size));
    enter(worker, &answer, start, size, 0, KIND_C);
}

static size_t up_to_power(size_t number)
{
    size_t power = 16;
    while (power < number)
        power *= 2;
    return power;
}

static void allocate_aligned(struct worker *worker)
{
    size_t alignment = (size_t)8 << OF(worker, 11);
    size_t size = random_size(&worker->random);
    struct answer answer = expect(worker, size, alignment);
    void *start = NULL;
    switch (OF(worker, 4)) {
    case 0:
        start = memalign(alignment, size);
        break;
    case 1:
        start = aligned_alloc(alignment, size);
        break;
    case 2:
        errno = posix_memalign(&start, alignment, size);
        break;
    case 3: /* the next power of two counts */
        alignment = OF(worker, 5000);
        answer = expect(worker, size, up_to_power(alignment));
        start = memalign(alignment, size);
        alignment = up_to_power(alignment);
        break;
    }
    enter(worker, &answer, start, size, alignment, KIND_C);
}

static void allocate_pages(struct worker *worker)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = random_size(&worker->random);
    bool round = OF(worker, 2);
    if (round)
        size = (size + page - 1) & ~(page - 1);
    struct answer answer = expect(worker, size, page);
    void *start = round ? pvalloc(size > 0 ? size - OF(worker, page) : 0) : valloc(size);
    enter(worker, &answer, start, size, page, KIND_C);
}

static void allocate_by_operator(struct worker *worker)
{
    enum kind kind = KIND_NEW + (enum kind)OF(worker, 4);
    bool aligned = kind == KIND_NEW_ALIGNED || kind == KIND_NEW_ARRAY_ALIGNED;
    size_t alignment = aligned ? (size_t)16 << OF(worker, 6) : 0;
    size_t size = random_size(&worker->random);
    struct answer answer = expect(worker, size, alignment);
    void *start = operators_new(kind, (int)OF(worker, 2), size, alignment);
    if (!start)
        errno = ENOMEM; /* which bad_alloc does not say */
    enter(worker, &answer, start, size, alignment, kind);
}

/* The C library is the caller, so the scope does not matter. */
static void allocate_in_libc(struct worker *worker)
{
    struct answer answer = {settings.ambient ? ANY : OUTSIDE, 0, false};
    char text[512];
    size_t length = OF(worker, sizeof text);
    memset(text, 'a', length);
    text[length] = '\0';
    char *start = strdup(text);
    REQUIRE(worker, start && strcmp(start, text) == 0);
    enter(worker, &answer, start, length + 1, 0, KIND_C);
}

static void do_allocate(struct worker *worker)
{
    if (is_full(worker))
        return;
    switch (OF(worker, 16)) {
    case 0:
    case 1:
    case 2:
        allocate_usual(worker, true);
        break;
    case 3:
    case 4:
        allocate_aligned(worker);
        break;
    case 5:
    case 6:
    case 7:
        allocate_by_operator(worker);
        break;
    case 8:
        if (OF(worker, 8) == 0)
            allocate_pages(worker);
        else
            allocate_in_libc(worker);
        break;
    default:
        allocate_usual(worker, false);
    }
}

/* Requests that nobody can serve change nothing. */
static void do_allocate_too_much(struct worker *worker)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2 + 1, SIZE_MAX - 4095};
    size_t size = sizes[OF(worker, COUNT(sizes))];
    void *untouched = &size;
    void *start = NULL;
    int error = ENOMEM;
    struct block *block = some_block(worker);
    bool is_c = block && block->kind == KIND_C;
    if (settings.memcheck) /* which has its own answers, and reports such requests */
        return;
    errno = 0;
    switch (OF(worker, 8)) {
    case 0:
        start = malloc(size);
        break;
    case 1:
        start = calloc(size / 2, 3);
        break;
    case 2:
        start = memalign(64, size);
        break;
    case 3:
        start = pvalloc(size);
        break;
    case 4:
        errno = posix_memalign(&untouched, 64, size);
        break;
    case 5:
        errno = posix_memalign(&untouched, 24, 1);
        error = EINVAL;
        break;
    case 6:
        start = is_c ? realloc(block->start, size) : malloc(size);
        break;
    case 7:
        start = reallocarray(is_c ? block->start : NULL, size / 2, 3);
        break;
    }
    REQUIRE(worker, !start && errno == error && untouched == &size);
    if (block)
        look_at(worker, block);
}

/* ---- freeing, resizing, keeping -------------------------------------------------------------- */

static void free_start(const struct block *block, uint64_t random)
{
    if (block->kind == KIND_C)
        free(block->start);
    else
        operators_delete(block->kind, (enum delete_form)(random % DELETE_FORMS), block->start,
                         block->size, block->alignment);
}

static void do_free(struct worker *worker)
{
    struct block *block = some_block(worker);
    if (!block)
        return;
    look_at(worker, block);
    digest(worker, block->size);
    errno = 77;
    free_start(block, worker->random >> 7);
    REQUIRE(worker, errno == 77);
    step_back(worker, block);
    forget(worker, block);
}

/* Uses all of a block that can be used. */
static void do_claim(struct worker *worker)
{
    struct block *block = some_block(worker);
    if (!block || block->kind != KIND_C)
        return;
    look_at(worker, block);
    REQUIRE(worker, malloc_usable_size(block->start) == block->usable);
    if (!block->ours)
        return; /* how much there is is the next allocator's business: not determined */
    block->size = block->usable;
    fill(worker, block);
}

/* The resize of a block of the worker's own arena: whether it stays where it is, with which
 * usable size, and what the arena looks like then. */
static bool stays(struct worker *worker, const struct block *block, size_t size, size_t *usable)
{
    uintptr_t end = header_of(block) + total_size(size);
    bool newest = is_newest(worker, block);
    *usable = newest ? total_size(size) - HEADER : block->usable;
    if (!is_routed(worker))
        return false;
    if (size > block->usable) {
        uintptr_t memory = memory_of(worker);
        if (!newest || size > settings.limit || end > memory + settings.limit ||
            (end > memory + settings.capacity && settings.policy != GROW))
            return false;
    }
    if (newest)
        worker->cursor = end;
    return true;
}

/* realloc, or reallocarray. */
static void *resize(uint64_t random, void *start, size_t size)
{
    return random % 4 == 0 && size % 5 == 0 ? reallocarray(start, 5, size / 5)
                                            : realloc(start, size);
}

static void resize_ours(struct worker *worker, struct block *block, size_t size)
{
    struct block old = *block;
    size_t usable = 0;
    bool in_place = settings.exact && stays(worker, &old, size, &usable);
    struct answer answer = expect(worker, size, 0);
    unsigned char *start = resize(worker->random >> 9, old.start, size);
    if (in_place || (!settings.exact && start == old.start)) {
        REQUIRE(worker, start == old.start);
        look(worker, start, old.pattern, old.size < size ? old.size : size, old.size);
        worker->counts.routed++;
        block->size = size;
        block->usable = malloc_usable_size(start);
        REQUIRE(worker, !settings.exact || block->usable == usable);
        REQUIRE(worker, block->usable >= size);
        fill(worker, block);
        return;
    }
    if (!start) {
        check_answer(worker, &answer, start);
        look_at(worker, &old);
        return;
    }
    look(worker, start, old.pattern, old.size < size ? old.size : size, old.size);
    /* The new block is drawn before the old one is freed. */
    enter(worker, &answer, start, size, 0, KIND_C);
    step_back(worker, &old);
    forget(worker, block);
}

/* A block of the next allocator keeps its origin. */
static void resize_outside(struct worker *worker, struct block *block, size_t size)
{
    struct block old = *block;
    unsigned char *start = resize(worker->random >> 9, old.start, size);
    REQUIRE(worker, start && !is_ours(start));
    look(worker, start, old.pattern, old.size < size ? old.size : size, old.size);
    block->start = start;
    block->size = size;
    block->usable = malloc_usable_size(start);
    block->alignment = 16;
    check_block(worker, block);
    fill(worker, block);
}

static void do_resize(struct worker *worker)
{
    struct block *block = some_block(worker);
    size_t size = random_size(&worker->random);
    if (!block || block->kind != KIND_C || is_full(worker))
        return;
    digest(worker, size);
    look_at(worker, block);
    if (size == 0) {
        REQUIRE(worker, realloc(block->start, 0) == NULL);
        step_back(worker, block);
        forget(worker, block);
    } else if (block->ours) {
        resize_ours(worker, block, size);
    } else {
        resize_outside(worker, block, size);
    }
}

static void do_keep(struct worker *worker)
{
    struct block *block = some_block(worker);
    if (!block)
        return;
    look_at(worker, block);
    unsigned char *kept = arena_scope_keep(block->start);
    if (!block->ours) {
        REQUIRE(worker, kept == block->start);
        return;
    }
    REQUIRE(worker, kept && kept != block->start && !is_ours(kept));
    step_back(worker, block);
    block->start = kept;
    block->usable = malloc_usable_size(kept);
    block->alignment = settings.align;
    block->kind = KIND_C;
    block->ours = false;
    check_block(worker, block);
    look_at(worker, block);
}

/* ---- mail ------------------------------------------------------------------------------------ */

/* Blocks of a sender's arena stay the sender's: it waits before their scope ends. */
static void serve_one(struct worker *worker, struct mail *mail)
{
    struct block *block = &mail->block;
    unsigned char *start = block->start;
    bool routed = is_routed(worker);
    size_t size = 1 + random_size(&mail->random);
    look_at(worker, block);
    REQUIRE(worker, malloc_usable_size(start) == block->usable);
    switch (block->kind == KIND_C ? model_below(&mail->random, 4) : 3) {
    case 0:
    case 1:
        start = realloc(start, size);
        if (!start) {
            REQUIRE(worker, block->ours && routed && settings.policy == ERROR);
            break;
        }
        look(worker, start, block->pattern, block->size < size ? block->size : size, block->size);
        if (!settings.ambient)
            REQUIRE(worker, routed || !is_ours(start));
        if (block->ours) {
            worker->counts.routed += routed && is_ours(start);
            worker->counts.fallbacks += routed && !is_ours(start);
            worker->counts.ignored_frees += start != block->start;
            if (start != block->start && is_ours(start))
                REQUIRE(worker, is_own_slot(worker, start));
        }
        break;
    case 2:
        start = arena_scope_keep(start);
        REQUIRE(worker, start && !is_ours(start));
        look(worker, start, block->pattern, block->size, block->size);
        worker->counts.ignored_frees += block->ours;
        break;
    }
    struct block last = *block;
    last.start = start ? start : block->start;
    worker->counts.ignored_frees += block->ours && last.start == block->start;
    free_start(&last, mail->random >> 7);
    if (block->ours)
        __atomic_fetch_sub(&mail->from->lent, 1, __ATOMIC_RELEASE);
    worker->counts.mail++;
}

void model_serve(struct worker *worker)
{
    struct mail mail;
    while (!worker->in_child && __atomic_load_n(&worker->mail_count, __ATOMIC_RELAXED) > 0) {
        pthread_mutex_lock(&worker->lock);
        mail = worker->mail[--worker->mail_count];
        pthread_mutex_unlock(&worker->lock);
        serve_one(worker, &mail);
    }
}

/* Whoever waits serves mail meanwhile, so that two who wait for each other get on. */
static void wait_for_lent(struct worker *worker)
{
    while (!worker->in_child && __atomic_load_n(&worker->lent, __ATOMIC_ACQUIRE) > 0) {
        model_serve(worker);
        sched_yield();
    }
}

static bool post(struct worker *to, const struct mail *mail)
{
    pthread_mutex_lock(&to->lock);
    bool has_room = to->mail_count < MAIL;
    if (has_room)
        to->mail[to->mail_count++] = *mail;
    pthread_mutex_unlock(&to->lock);
    return has_room;
}

static void do_post(struct worker *worker)
{
    if (worker->in_child || settings.workers == 1 || worker->count == 0)
        return;
    struct block *block = &worker->blocks[OF(worker, worker->count)];
    int to = (int)OF(worker, (uint64_t)settings.workers - 1);
    struct mail mail = {*block, worker->random | 1, worker};
    look_at(worker, block);
    if (block->ours)
        __atomic_fetch_add(&worker->lent, 1, __ATOMIC_RELAXED);
    forget(worker, block);
    while (!post(&workers[to + (to >= worker->number)], &mail)) {
        model_serve(worker);
        sched_yield();
    }
}

/* ---- scopes ---------------------------------------------------------------------------------- */

static const arena_scope_site sites[] = {
    {"first", "stress", 1, 0},  {"second", "stress", 2, 0}, {"third", "stress", 3, 0},
    {"fourth", "stress", 4, 0}, {NULL, NULL, 0, 0},
};

/* The first scope of a life: the thread has got an arena. */
static void learn_arena(struct worker *worker)
{
    unsigned char *first = malloc(1);
    REQUIRE(worker, first);
    worker->counts.routed++;
    if (region_memory != 0) {
        REQUIRE(worker, is_ours(first));
        worker->slot = (int)(((uintptr_t)first - region_memory) / region_span);
        if (settings.exact)
            REQUIRE(worker, ((uintptr_t)first - settings.align - region_memory) % region_span == 0);
        REQUIRE(worker, __atomic_exchange_n(&slot_owners[worker->slot], worker->number + 1,
                                            __ATOMIC_RELAXED) == 0);
    }
    worker->base = (uintptr_t)first - HEADER;
    free(first);
}

static void opened(struct worker *worker, const arena_scope_token *token)
{
    worker->counts.scopes++;
    struct scope *scope = &worker->scopes[++worker->depth];
    REQUIRE(worker, arena_scope_active());
    if (worker->base == 0)
        learn_arena(worker);
    if (worker->depth == 1)
        worker->cursor = worker->base;
    *scope = (struct scope){.start = worker->cursor};
    if (token) {
        REQUIRE(worker, token->id != 0);
        scope->token = *token;
        scope->known = true;
    }
}

/* The scope of this depth is about to end, and what is open in it. Its blocks must be intact. */
static void closing(struct worker *worker, int depth)
{
    wait_for_lent(worker);
    for (size_t i = worker->count; i-- > 0;) {
        struct block *block = &worker->blocks[i];
        if (!block->ours || block->depth < depth)
            continue;
        look_at(worker, block);
        forget(worker, block);
    }
    worker->counts.left_open += (uint64_t)(worker->depth - depth);
    worker->cursor = worker->scopes[depth].start;
    worker->depth = depth - 1;
}

static void do_begin(struct worker *worker)
{
    if (worker->depth == DEPTH)
        return;
    uint64_t site = OF(worker, COUNT(sites) + 1);
    arena_scope_token token = arena_scope_begin(site < COUNT(sites) ? &sites[site] : NULL);
    opened(worker, &token);
    digest(worker, 'b');
}

static void end(struct worker *worker, int depth)
{
    unsigned char *stale = NULL;
    for (size_t i = 0; i < worker->count && depth == 1; i++)
        if (worker->blocks[i].ours && worker->blocks[i].kind == KIND_C)
            stale = worker->blocks[i].start;
    arena_scope_token token = worker->scopes[depth].token;
    closing(worker, depth);
    arena_scope_end(token);
    REQUIRE(worker,
            settings.ambient || arena_scope_active() == (worker->depth > 0 && is_routed(worker)));
    /* After the scope this is not an error, only too late. */
    if (stale && !settings.ambient) {
        free(stale);
        worker->counts.ignored_frees++;
    }
    digest(worker, 'e');
}

/* Ends a scope, most often the innermost one, whose token is at hand. */
static void do_end(struct worker *worker)
{
    if (worker->depth <= worker->floor)
        return;
    int depth = worker->depth;
    if (OF(worker, 10) == 0)
        depth = worker->floor + 1 + (int)OF(worker, (uint64_t)(depth - worker->floor));
    while (depth > worker->floor && !worker->scopes[depth].known)
        depth--;
    if (depth > worker->floor)
        end(worker, depth);
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* An operation that begins and ends no scope. */
static void simple_step(struct worker *worker)
{
    uint64_t kind = OF(worker, 64);
    if (kind < 28)
        do_allocate(worker);
    else if (kind < 42)
        do_free(worker);
    else if (kind < 53)
        do_resize(worker);
    else if (kind < 57)
        do_claim(worker);
    else if (kind < 60)
        do_keep(worker);
    else if (kind < 61)
        do_post(worker);
    else if (kind < 62)
        do_allocate_too_much(worker);
    else
        model_serve(worker);
}

/* What happens in a marked block. May jump out of it, or end the thread. */
static void several_steps(struct worker *worker)
{
    for (uint64_t left = OF(worker, 30); left > 0; left--) {
        model_step(worker);
        if (worker->jump && worker->depth > 0 && OF(worker, 100) == 0)
            longjmp(*worker->jump, 1);
        if (!worker->in_child && !worker->in_cxx && OF(worker, 4000) == 0) {
            model_end_life(worker);
            pthread_exit(NULL);
        }
    }
}

/* Steps in a scope that the caller ends, with all that is left open in it. */
static void inside(struct worker *worker)
{
    opened(worker, NULL);
    int floor = worker->floor;
    int depth = worker->floor = worker->depth;
    several_steps(worker);
    closing(worker, depth);
    worker->floor = floor;
}

static void inside_cxx(void *argument)
{
    struct worker *worker = argument;
    jmp_buf *jump = worker->jump;
    bool in_cxx = worker->in_cxx;
    worker->jump = NULL;
    worker->in_cxx = true;
    inside(worker);
    worker->jump = jump;
    worker->in_cxx = in_cxx;
}

static void in_rest_of_block(struct worker *worker)
{
    ARENA_SCOPE_HERE("rest of block");
    inside(worker);
    if (worker->random & 1)
        return;
    digest(worker, 'r');
}

static void in_block(struct worker *worker)
{
    ARENA_SCOPE("block") {
        inside(worker);
        if (worker->random & 1)
            break;
        if (worker->random & 2)
            goto out;
    }
out:
    digest(worker, 'k');
}

/* By the functions: as often resumed as paused, since an end in a pause is misuse. */
static void do_pause(struct worker *worker)
{
    struct scope *scope = &worker->scopes[worker->depth];
    int before = scope->pauses;
    if (worker->depth == 0)
        return;
    for (uint64_t left = 1 + OF(worker, 3); left > 0; left--) {
        arena_scope_pause();
        scope->pauses++;
        simple_step(worker);
    }
    while (scope->pauses > before) {
        REQUIRE(worker, !arena_scope_active());
        arena_scope_resume();
        scope->pauses--;
        simple_step(worker);
    }
    REQUIRE(worker, arena_scope_active() == (before == 0));
}

static void in_pause(struct worker *worker)
{
    if (worker->depth == 0)
        return;
    struct scope *scope = &worker->scopes[worker->depth];
    ARENA_SCOPE_PAUSED
    {
        scope->pauses++;
        for (uint64_t left = OF(worker, 10); left > 0; left--)
            simple_step(worker);
        scope->pauses--;
    }
}

/* Marked blocks that may be left by longjmp: their scopes stay open until an outer one ends. */
static void in_reach_of_jump(struct worker *worker)
{
    jmp_buf here;
    if (worker->depth == 0)
        do_begin(worker);
    jmp_buf *const jump = worker->jump;
    const int floor = worker->floor;
    const int nesting = worker->nesting;
    worker->floor = worker->depth;
    worker->jump = &here;
    if (setjmp(here) == 0)
        several_steps(worker);
    else
        worker->counts.jumps++;
    worker->jump = jump;
    worker->floor = floor;
    worker->nesting = nesting;
}

static void do_marked_block(struct worker *worker)
{
    if (worker->nesting == 6 || worker->depth >= DEPTH - 1)
        return;
    worker->nesting++;
    switch (OF(worker, 5)) {
    case 0:
        in_block(worker);
        break;
    case 1:
        in_rest_of_block(worker);
        break;
    case 2:
        operators_scope(inside_cxx, worker, (int)OF(worker, 2));
        break;
    case 3:
        in_pause(worker);
        break;
    case 4:
        in_reach_of_jump(worker);
        break;
    }
    worker->nesting--;
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void *in_new_thread(void *argument)
{
    struct worker *worker = argument;
    ARENA_SCOPE("thread in a fork child") {
        unsigned char *start = calloc(1, 3000);
        REQUIRE(worker, start && is_ours(start) && is_zero(start, 3000));
        memset(start, 0x5a, 3000);
    }
    return NULL;
}

static void check_all(const struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        look_at(worker, &worker->blocks[i]);
        REQUIRE(worker, malloc_usable_size(worker->blocks[i].start) == worker->blocks[i].usable);
    }
}

__attribute__((noreturn)) static void live_in_child(struct worker *worker)
{
    worker->in_child = true;
    /* The arenas of the threads that are not here are free. */
    memset(slot_owners, 0, sizeof slot_owners);
    if (worker->base != 0)
        slot_owners[worker->slot] = worker->number + 1;
    check_all(worker);
    worker->nesting = 6;
    for (int left = 300; left > 0; left--) {
        model_step(worker);
        if (left == 150 && !settings.ambient) {
            pthread_t thread;
            REQUIRE(worker, pthread_create(&thread, NULL, in_new_thread, worker) == 0);
            pthread_join(thread, NULL);
        }
    }
    if (worker->floor == 0 && worker->depth > 0)
        end(worker, 1);
    check_all(worker);
    if (OF(worker, 2))
        _exit(EXIT_SUCCESS);
    exit(EXIT_SUCCESS);
}

static void do_fork(struct worker *worker)
{
    if (!settings.forks || worker->in_child)
        return;
    uint64_t random = worker->random;
    pid_t child = fork();
    if (child == 0)
        live_in_child(worker);
    REQUIRE(worker, child > 0);
    int status;
    while (waitpid(child, &status, 0) != child)
        REQUIRE(worker, errno == EINTR);
    REQUIRE(worker, status == 0);
    REQUIRE(worker, worker->random == random);
    check_all(worker);
    worker->counts.forks++;
}

void model_step(struct worker *worker)
{
    worker->operation++;
    worker->counts.operations++;
    uint64_t kind = OF(worker, 32);
    if (kind < 3)
        do_begin(worker);
    else if (kind < 5)
        do_end(worker);
    else if (kind < 6)
        do_pause(worker);
    else if (kind < 31)
        simple_step(worker);
    else if (OF(worker, 300) == 0)
        do_fork(worker);
    else
        do_marked_block(worker);
}

/* ---- lives ----------------------------------------------------------------------------------- */

void model_end_life(struct worker *worker)
{
    digest(worker, 'l');
    if (worker->depth > 0) {
        closing(worker, 1);
        worker->counts.left_open++;
    }
    wait_for_lent(worker);
    for (size_t i = worker->count; i-- > 0;) /* those that were drawn out of marked scopes */
        if (worker->blocks[i].ours)
            forget(worker, &worker->blocks[i]);
    if (worker->base != 0)
        __atomic_store_n(&slot_owners[worker->slot], 0, __ATOMIC_RELAXED);
    worker->floor = 0;
    worker->nesting = 0;
    worker->jump = NULL;
    worker->in_cxx = false;
    worker->base = 0;
    worker->counts.lives++;
}

void model_start(struct worker *worker, int number)
{
    worker->number = number;
    worker->random =
        (settings.seed * 0x9e3779b97f4a7c15 ^ ((uint64_t)number + 1) * 0xbf58476d1ce4e5b9) | 1;
    pthread_mutex_init(&worker->lock, NULL);
}

void model_finish(struct worker *worker)
{
    check_all(worker);
    while (worker->count > 0) {
        free_start(&worker->blocks[0], 0);
        forget(worker, &worker->blocks[0]);
    }
}

static void *learn_second_slot(void *first)
{
    unsigned char *second = NULL;
    ARENA_SCOPE("learn") {
        second = malloc(1);
        free(second);
    }
    return (void *)(second - (unsigned char *)first);
}

void model_learn(struct worker *worker)
{
    pthread_t thread;
    void *span;
    ARENA_SCOPE("learn") {
        unsigned char *first = malloc(1);
        free(first);
        REQUIRE(worker, pthread_create(&thread, NULL, learn_second_slot, first) == 0);
        pthread_join(thread, &span);
        region_memory = (uintptr_t)first - settings.align;
        region_span = (size_t)span;
        worker->counts.routed += 2;
        worker->counts.scopes += 2;
        slot_owners[0] = -1; /* the main thread's */
    }
}

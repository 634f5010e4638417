/*
 * Model-based test of arena.h: random operations on an arena and on a plain model of what must be
 * in it, compared after each operation.
 *
 * The model holds, for each byte of the buffer, the block that owns it, and the live blocks in the
 * order in which they were made. Every byte of a live block carries a pattern made from the
 * block's id, every other byte the value `UNOWNED`; an arena that keeps data of its own in the
 * buffer, hands out a byte twice or writes on reset is caught by the bytes alone. Where the next
 * block lies is computed here by stepping to the next multiple, without the arena's arithmetic.
 * With AddressSanitizer live blocks must be free of poison and what was given back must have it.
 *
 * ARENA_MODEL_SEED and ARENA_MODEL_OPERATIONS choose another run; a failure prints the seed and
 * the operation at which it happened.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "arenashim/arena.h"
#include "behind.h"

enum {
    CAPACITY = 1 << 14,
    SHIFT = 5, /* the buffer's distance from a page, so that its start needs padding too */
    PAGE = 4096,
    /* Of the buffer's bytes; the rest shares a granule of 8 with what follows the buffer. */
    POISONED = CAPACITY - (SHIFT + CAPACITY) % 8,
    UNOWNED = 0xee,
    MAX_MARKS = 64,
};

static const uint64_t default_seed = 0x5eed0a7e4a;
static const uint64_t default_operations = 2000000;

struct block {
    uint32_t id; /* from 1; 0 is nobody */
    size_t start;
    size_t size;
};

struct model {
    uint32_t owner[CAPACITY];
    struct block blocks[CAPACITY]; /* live, none of size 0 */
    size_t block_count;
    uint32_t last_id;
    size_t end; /* first byte after the last block, padding and zero-size blocks included */
    size_t high_water;
    uint64_t overflows;
    arena_position marks[MAX_MARKS]; /* of the arena, oldest first */
    size_t mark_ends[MAX_MARKS];     /* the model's `end` when each was made */
    size_t mark_count;
};

static unsigned char memory[SHIFT + CAPACITY + PAGE] __attribute__((aligned(PAGE)));
static unsigned char *const buffer = memory + SHIFT;
static struct arena arena;
static struct model model;

static uint64_t seed;
static uint64_t random_state;
static uint64_t operation;

/* An assertion cheap enough for millions: Check's own writes a message each time it holds. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("ARENA_MODEL_SEED=%ju, operation %ju: not %s", (uintmax_t)seed,           \
                         (uintmax_t)operation, #condition);                                        \
    } while (0)

/* splitmix64 (Steele, Lea, Flood 2014): any seed serves, also 0. */
static uint64_t next_random(void)
{
    uint64_t mixed = random_state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

static size_t below(size_t bound)
{
    return (size_t)(next_random() % bound);
}

static unsigned char pattern(uint32_t id, size_t index)
{
    return (unsigned char)(id * 31 + index * 7 + 1);
}

/* Mostly small sizes; now and then some that fill or exceed the arena. */
static size_t any_size(void)
{
    switch (below(64)) {
    case 0:
        return below(2 * CAPACITY);
    case 1:
        return 0;
    case 2:
        return arena_remaining(&arena) + below(3) - 1;
    case 3:
        return SIZE_MAX - below(64);
    default:
        return 1 + below((size_t)1 << below(8));
    }
}

static void model_keep(size_t start, size_t size)
{
    if (size == 0)
        return;
    struct block block = {.id = ++model.last_id, .start = start, .size = size};
    for (size_t i = 0; i < size; i++) {
        require(model.owner[start + i] == 0);
        require(buffer[start + i] == UNOWNED);
        model.owner[start + i] = block.id;
        buffer[start + i] = pattern(block.id, i);
    }
    model.blocks[model.block_count++] = block;
}

UNCHECKED static void model_drop_last(void)
{
    struct block block = model.blocks[--model.block_count];
    for (size_t i = 0; i < block.size; i++) {
        require(model.owner[block.start + i] == block.id);
        require(block.start + i >= POISONED || is_poisoned(buffer + block.start + i, true));
        require(buffer[block.start + i] == pattern(block.id, i));
        model.owner[block.start + i] = 0;
        buffer[block.start + i] = UNOWNED;
    }
}

static void model_rewind(size_t end)
{
    while (model.block_count > 0 && model.blocks[model.block_count - 1].start >= end)
        model_drop_last();
    model.end = end;
}

/* Compares what an allocation of `size` bytes gave with what it had to give. */
static void expect_block(const unsigned char *block, size_t size, size_t alignment)
{
    size_t start = model.end;
    while ((uintptr_t)(buffer + start) % alignment != 0)
        start++;
    if (start > CAPACITY || size > CAPACITY - start) {
        model.overflows++;
        require(block == NULL);
        return;
    }
    require(block != NULL);
    require((uintptr_t)block % alignment == 0);
    require(block >= buffer && block + size <= buffer + CAPACITY);
    require(block == buffer + start);
    model_keep(start, size);
    model.end = start + size;
    if (model.end > model.high_water)
        model.high_water = model.end;
}

static void do_alloc(void)
{
    size_t size = any_size();
    size_t alignment = (size_t)1 << below(below(16) == 0 ? 13 : 7);
    expect_block(arena_alloc(&arena, size, alignment), size, alignment);
}

static void do_bad_alignment(void)
{
    size_t alignment = below(1 << 13);
    if ((alignment & (alignment - 1)) == 0)
        alignment = 0;
    require(arena_alloc(&arena, any_size(), alignment) == NULL);
}

static void do_array(void)
{
    size_t count = below(8) == 0 ? below(CAPACITY) : below(16);
    if (below(2) == 0) {
        expect_block((unsigned char *)arena_alloc_array(&arena, double, count),
                     count * sizeof(double), __alignof__(double));
    } else {
        size_t item_size = 1 + below(40);
        expect_block(arena_alloc_items(&arena, item_size, 4, count), item_size * count, 4);
    }
}

static void do_overflowing_array(void)
{
    size_t item_size = 2 + below(1000);
    size_t count = SIZE_MAX / item_size + 1 + below(1000);
    require(arena_alloc_items(&arena, item_size, 1, count) == NULL);
    model.overflows++;
}

static void do_mark(void)
{
    if (model.mark_count == MAX_MARKS)
        return;
    model.marks[model.mark_count] = arena_mark(&arena);
    model.mark_ends[model.mark_count++] = model.end;
}

/* Forgets the marks from `first` on, after a rewind below them or a reset. Those above the offset
 * are stale, and going back to them must change nothing; the caller compares. */
static void forget_marks(size_t first)
{
    for (size_t i = first; i < model.mark_count; i++)
        if (model.mark_ends[i] > model.end)
            arena_rewind(&arena, model.marks[i]);
    model.mark_count = first;
}

static void do_rewind(void)
{
    if (model.mark_count == 0)
        return;
    size_t chosen = below(model.mark_count);
    arena_rewind(&arena, model.marks[chosen]);
    model_rewind(model.mark_ends[chosen]);
    forget_marks(chosen + 1);
}

UNCHECKED static void do_reset(void)
{
    arena_reset(&arena);
    model_rewind(0);
    forget_marks(0);
    for (size_t i = 0; i < sizeof memory; i++)
        require(memory[i] == UNOWNED);
    for (size_t i = 0; i < POISONED; i++)
        require(is_poisoned(buffer + i, true));
}

static void compare(void)
{
    require(arena_remaining(&arena) == CAPACITY - model.end);
    require(arena_utilization(&arena) == (double)model.end / CAPACITY);
    require(arena_high_water(&arena) == model.high_water);
    require(arena_overflow_count(&arena) == model.overflows);
}

static void do_any(void)
{
    size_t choice = below(1000);
    if (choice < 600)
        do_alloc();
    else if (choice < 820)
        do_array();
    else if (choice < 830)
        do_bad_alignment();
    else if (choice < 850)
        do_overflowing_array();
    else if (choice < 920)
        do_mark();
    else if (choice < 990)
        do_rewind();
    else
        do_reset();
}

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 0) : otherwise;
}

START_TEST(arena_does_as_the_model)
{
    uint64_t operations = number_from_environment("ARENA_MODEL_OPERATIONS", default_operations);
    seed = number_from_environment("ARENA_MODEL_SEED", default_seed);
    random_state = seed;
    memset(memory, UNOWNED, sizeof memory);
    arena_init(&arena, buffer, CAPACITY);
    for (operation = 0; operation < operations; operation++) {
        do_any();
        compare();
    }
    do_reset();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, arena_does_as_the_model);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

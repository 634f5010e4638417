/*
 * Times the hot paths, beside floors: nanoseconds per operation, the median of rounds in which all
 * operations take turns. Run it under the shim, or under another allocator, or plain; operations
 * that give nothing back before the end of their scope are left out where there are no scopes.
 *
 * usage: hot_paths [--quick] [--littered] [--expect LIBRARY]
 *                  [--verify | --count OPERATION N [SIZE]]
 *
 * With --littered the heap of malloc is littered first. With --verify it checks blocks and measures
 * nothing. With --count it runs one operation N times, on blocks of SIZE bytes (48), in one scope,
 * for instruction counts.
 *
 * The capacity must be 32 MiB for the buffer_ operations, whose blocks would not fit otherwise; all
 * else fits in the default capacity, but for what --count makes larger than 900 KiB.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/arena.h>
#include <arenashim/scope.h>

#include "bench/empty.h"
#include "bench/litter.h"
#include "bench/sample.h"
#include "bench/verify.h"

#define PAGE 4096
#define SMALL_MEMORY ((size_t)900 << 10) /* bytes drawn in a scope, which the capacity holds */
#define BUFFER_MEMORY ((size_t)20 << 20) /* the same for kernel buffers */
#define BLOCK_OVERHEAD 32                /* bytes of header and padding, at most */
#define OPERATIONS_PER_SCOPE ((size_t)10000)
#define DEFAULT_SIZE 48
#define LITTER ((size_t)60000) /* blocks, of which half are freed: about 28 MiB stay */

static const size_t small_sizes[] = {16, 48, 64, 256, 1024, 4096, 0};
static const size_t buffer_sizes[] = {(size_t)64 << 10, (size_t)1 << 20, (size_t)4 << 20, 0};
static const size_t no_size[] = {DEFAULT_SIZE, 0}; /* the operation has none */

static void touch_pages(void *block, size_t size)
{
    for (size_t offset = 0; offset < size; offset += PAGE)
        touch((char *)block + offset);
}

/* Of each size as many, and of each buffer size 32. */
static size_t litter_size(size_t index)
{
    if (index % (LITTER / 96) == 0)
        return buffer_sizes[index / (LITTER / 96) % 3];
    return small_sizes[sample_random(index) % 6];
}

/* ---- floors ---------------------------------------------------------------------------------- */

static void empty_call(size_t size, size_t count)
{
    (void)size;
    for (size_t i = 0; i < count; i++)
        bench_empty();
}

static unsigned char memory[SMALL_MEMORY + OPERATIONS_PER_SCOPE * BLOCK_OVERHEAD];

/* What somebody would write who needs nothing else: alignment and limit are looked at, as
 * arena_alloc does. */
struct bump {
    uintptr_t next;
    uintptr_t limit;
};

static inline void *bump_take(struct bump *bump, size_t size, size_t alignment)
{
    uintptr_t start = (bump->next + alignment - 1) & ~(alignment - 1);
    if (start > bump->limit || size > bump->limit - start)
        return NULL;
    bump->next = start + size;
    return (void *)start;
}

/* Makes the compiler load what it has just stored: else it peels a round off the loop, and where
 * the rest comes to lie is chance. */
static inline void forget(void)
{
    __asm__ volatile("" ::: "memory");
}

/* The state lies in memory, as that of an allocator does which outlives the loop; so does the
 * arena's. */
static void bump_loop(size_t size, size_t count)
{
    static struct bump state;
    struct bump *bump = &state;
    __asm__("" : "+r"(bump));
    *bump = (struct bump){(uintptr_t)memory, (uintptr_t)memory + sizeof memory};
    forget();
    for (size_t i = 0; i < count; i++)
        touch(bump_take(bump, size, 16));
}

/* The state lies in registers: the least that any allocation in this loop can take. */
static void bump_registers(size_t size, size_t count)
{
    struct bump bump = {(uintptr_t)memory, (uintptr_t)memory + sizeof memory};
    for (size_t i = 0; i < count; i++)
        touch(bump_take(&bump, size, 16));
}

static void arena_inline(size_t size, size_t count)
{
    static struct arena state;
    struct arena *arena = &state;
    __asm__("" : "+r"(arena));
    arena_init(arena, memory, sizeof memory);
    forget();
    for (size_t i = 0; i < count; i++)
        touch(arena_alloc(arena, size, 16));
}

/* ---- in a scope, given back by its end ------------------------------------------------------- */

static void routed_malloc(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("malloc");
    for (size_t i = 0; i < count; i++)
        touch(malloc(size));
}

static void routed_calloc(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("calloc");
    for (size_t i = 0; i < count; i++)
        touch(calloc(1, size));
}

static inline void *aligned(size_t size)
{
    void *block;
    return posix_memalign(&block, 64, size) == 0 ? block : NULL;
}

static void routed_aligned(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("aligned");
    for (size_t i = 0; i < count; i++)
        touch(aligned(size));
}

static void buffer_malloc(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("buffer");
    for (size_t i = 0; i < count; i++)
        touch_pages(malloc(size), size);
}

static void scope_of_8(size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE("eight") {
            for (int k = 0; k < 8; k++)
                touch(malloc(size));
        }
}

/* ---- in a scope, freed by hand --------------------------------------------------------------- */

static void routed_pair(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("pair");
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(size);
        touch(block);
        free(block);
    }
}

static void calloc_pair(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("calloc pair");
    for (size_t i = 0; i < count; i++) {
        void *block = calloc(1, size);
        touch(block);
        free(block);
    }
}

static void aligned_pair(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("aligned pair");
    for (size_t i = 0; i < count; i++) {
        void *block = aligned(size);
        touch(block);
        free(block);
    }
}

static void buffer_pair(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("buffer pair");
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(size);
        touch_pages(block, size);
        free(block);
    }
}

/* Two blocks, of which the older is freed first; for each. */
static void older_first(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("older first");
    for (size_t i = 0; i < count; i += 2) {
        void *older = malloc(size);
        touch(older);
        void *newer = malloc(size);
        touch(newer);
        free(older);
        free(newer);
    }
}

/* Batches of 64 blocks, which are freed in the order in which they were drawn; for each. */
static void queue_of_64(size_t size, size_t count)
{
    enum { QUEUE = 64 };
    void *blocks[QUEUE];
    ARENA_SCOPE_HERE("queue");
    for (size_t left = count; left > 0;) {
        size_t batch = left < QUEUE ? left : QUEUE;
        for (size_t i = 0; i < batch; i++) {
            blocks[i] = malloc(size);
            touch(blocks[i]);
        }
        for (size_t i = 0; i < batch; i++)
            free(blocks[i]);
        left -= batch;
    }
}

/* A vector that grows to five times its size, in four steps, and is freed. */
static void realloc_growth(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("growth");
    for (size_t i = 0; i < count; i++) {
        char *block = malloc(size);
        touch(block);
        for (size_t step = 1; step < 5; step++) {
            block = realloc(block, (step + 1) * size);
            touch(block + step * size);
        }
        free(block);
    }
}

/* C++'s allocation operators. */
void *operator_new(size_t size) __asm__("_Znwm");
void operator_delete(void *block, size_t size) __asm__("_ZdlPvm");

static void new_delete(size_t size, size_t count)
{
    ARENA_SCOPE_HERE("new");
    for (size_t i = 0; i < count; i++) {
        void *block = operator_new(size);
        touch(block);
        operator_delete(block, size);
    }
}

/* ---- marks, and what is not routed ----------------------------------------------------------- */

static void unrouted_pair(size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(size);
        touch(block);
        free(block);
    }
}

static void empty_scope(size_t size, size_t count)
{
    (void)size;
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE("empty") {
            __asm__ volatile("");
        }
}

static void pause_resume(size_t size, size_t count)
{
    (void)size;
    ARENA_SCOPE_HERE("pauses");
    for (size_t i = 0; i < count; i++)
        ARENA_SCOPE_PAUSED
        {
            __asm__ volatile("");
        }
}

/* ---- the run --------------------------------------------------------------------------------- */

static const struct operation {
    const char *name;
    void (*run)(size_t size, size_t count);
    const size_t *sizes;
    bool needs_shim; /* memory would grow, or there is nothing to measure */
} operations[] = {
    {"empty_call", empty_call, no_size, false},
    {"bump_registers", bump_registers, small_sizes, false},
    {"bump_loop", bump_loop, small_sizes, false},
    {"arena_alloc", arena_inline, small_sizes, false},
    {"routed_malloc", routed_malloc, small_sizes, true},
    {"routed_calloc", routed_calloc, small_sizes, true},
    {"routed_aligned", routed_aligned, small_sizes, true},
    {"scope_of_8", scope_of_8, small_sizes, true},
    {"routed_pair", routed_pair, small_sizes, false},
    {"calloc_pair", calloc_pair, small_sizes, false},
    {"aligned_pair", aligned_pair, small_sizes, false},
    {"older_first", older_first, small_sizes, false},
    {"queue_of_64", queue_of_64, small_sizes, false},
    {"realloc_growth", realloc_growth, small_sizes, false},
    {"new_delete", new_delete, small_sizes, false},
    {"unrouted_pair", unrouted_pair, small_sizes, false},
    {"empty_scope", empty_scope, no_size, true},
    {"pause_resume", pause_resume, no_size, true},
    {"buffer_malloc", buffer_malloc, buffer_sizes, true},
    {"buffer_pair", buffer_pair, buffer_sizes, false},
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

/* An operation on blocks of one size. */
struct cell {
    const struct operation *operation;
    size_t size;
    size_t count;   /* operations in a scope */
    size_t batches; /* scopes in a round */
    double *samples;
};

static void run_cell(void *cell)
{
    const struct cell *c = cell;
    c->operation->run(c->size, c->count);
}

static size_t count_that_fits(size_t size)
{
    size_t bytes = size < buffer_sizes[0] ? SMALL_MEMORY : BUFFER_MEMORY;
    size_t count = bytes / (size + BLOCK_OVERHEAD) & ~(size_t)1;
    return count < OPERATIONS_PER_SCOPE ? count : OPERATIONS_PER_SCOPE;
}

static bool is_under_shim(void)
{
    ARENA_SCOPE_HERE("probe");
    return arena_scope_active();
}

static size_t list_cells(struct cell *cells)
{
    bool shim = is_under_shim();
    size_t count = 0;
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (operations[i].needs_shim && !shim)
            continue;
        for (const size_t *size = operations[i].sizes; *size != 0; size++)
            cells[count++] = (struct cell){&operations[i], *size, count_that_fits(*size), 0, NULL};
    }
    return count;
}

static void print_cell(const struct cell *cell, size_t rounds)
{
    char size[24] = "-";
    if (cell->operation->sizes != no_size)
        snprintf(size, sizeof size, "%zu", cell->size);
    sample_print(cell->operation->name, size, 1, "ns",
                 sample_percentile(cell->samples, rounds, 50));
}

static void measure(size_t rounds, double nanoseconds)
{
    static struct cell cells[OPERATIONS * 6];
    size_t count = list_cells(cells);
    double *samples = calloc(count * rounds, sizeof *samples);
    if (!samples)
        err(1, "samples");
    for (size_t i = 0; i < count; i++) {
        cells[i].samples = samples + i * rounds;
        cells[i].batches = sample_batch(run_cell, &cells[i], nanoseconds);
    }
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            double start = sample_now();
            for (size_t batch = 0; batch < cells[i].batches; batch++)
                run_cell(&cells[i]);
            double spent = sample_now() - start;
            cells[i].samples[round] = spent / (double)cells[i].batches / (double)cells[i].count;
        }
    }
    for (size_t i = 0; i < count; i++)
        print_cell(&cells[i], rounds);
    free(samples);
}

/* ---- the check ------------------------------------------------------------------------------- */

static bool all_are(const char *bytes, size_t size, char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static void *zeroed(size_t size)
{
    char *block = calloc(1, size);
    if (block && !all_are(block, size, 0))
        errx(1, "calloc: a block is not zero");
    return block;
}

static void *grown(size_t size)
{
    char *block = malloc(size / 2);
    if (!block)
        return NULL;
    memset(block, 'x', size / 2);
    block = realloc(block, size);
    if (block && !all_are(block, size / 2, 'x'))
        errx(1, "realloc: a block has lost its contents");
    return block;
}

static void *on_64(size_t size)
{
    void *block = aligned(size);
    if ((uintptr_t)block % 64 != 0)
        errx(1, "posix_memalign: a block is not aligned");
    return block;
}

static bool verify_size(size_t size, size_t pass)
{
    enum { MOST = 100 };
    static void *(*const draws[])(size_t) = {malloc, zeroed, grown, on_64, operator_new};
    void *blocks[MOST];
    size_t sizes[MOST];
    size_t count = count_that_fits(size) / 2;
    if (count > MOST)
        count = MOST;
    ARENA_SCOPE_HERE("verify");
    for (size_t i = 0; i < count; i++) {
        sizes[i] = size;
        blocks[i] = draws[(i + pass) % 5](size);
    }
    bool is_good = verify_blocks(blocks, sizes, count, 16);
    for (size_t i = 0; i < count; i++)
        if ((i + pass) % 5 == 4)
            operator_delete(blocks[i], size);
        else
            free(blocks[i]);
    return is_good;
}

/* What is freed in the order drawn is used again, though it never is the newest. */
static bool verify_queue(size_t size)
{
    enum { QUEUE = 64, BATCHES = 1000 };
    char *blocks[QUEUE], *lowest = NULL, *highest = NULL;
    ARENA_SCOPE_HERE("verify queue");
    for (size_t batch = 0; batch < BATCHES; batch++) {
        for (size_t i = 0; i < QUEUE; i++) {
            blocks[i] = malloc(size);
            if (batch == 0 && (i == 0 || blocks[i] < lowest))
                lowest = blocks[i];
            if (batch == 0 && (i == 0 || blocks[i] > highest))
                highest = blocks[i];
            if (blocks[i] < lowest || blocks[i] > highest) {
                warnx("64 blocks of %zu bytes, again and again: the arena grows", size);
                return false;
            }
        }
        for (size_t i = 0; i < QUEUE; i++)
            free(blocks[i]);
    }
    return true;
}

/* Twice each: the second time blocks lie in memory that is not zero any more. */
static bool verify(void)
{
    for (size_t pass = 0; pass < 2; pass++) {
        for (const size_t *size = small_sizes; *size != 0; size++)
            if (!verify_size(*size, pass) || (is_under_shim() && !verify_queue(*size)))
                return false;
        for (const size_t *size = buffer_sizes; *size != 0; size++)
            if (!verify_size(*size, pass))
                return false;
    }
    return true;
}

static void count(const char *name, size_t times, size_t size)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (strcmp(name, operations[i].name) == 0) {
            operations[i].run(size, times);
            return;
        }
    }
    errx(2, "no such operation: %s", name);
}

int main(int argc, char **argv)
{
    bool is_quick = false, is_littered = false;
    int i = 1;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            is_quick = true;
        else if (strcmp(argv[i], "--littered") == 0)
            is_littered = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else
            break;
    }
    int left = argc - i;
    sample_pin(sample_cores() - 1); /* the first takes most interrupts */
    if (is_littered)
        litter(LITTER, litter_size);
    if (left == 0)
        measure(is_quick ? 7 : 9, is_quick ? 1e5 : 2.5e5);
    else if (left == 1 && strcmp(argv[i], "--verify") == 0)
        return verify() ? 0 : 1;
    else if ((left == 3 || left == 4) && strcmp(argv[i], "--count") == 0)
        count(argv[i + 1], strtoul(argv[i + 2], NULL, 10),
              left == 4 ? strtoul(argv[i + 3], NULL, 10) : DEFAULT_SIZE);
    else
        errx(2, "usage: hot_paths [--quick] [--littered] [--expect LIBRARY] "
                "[--verify | --count OPERATION N [SIZE]]");
    return 0;
}

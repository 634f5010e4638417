/*
 * A block that is recorded comes from heap.h, any other from the next allocator.
 */
#include "watch/calls.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "watch/activation.h"
#include "watch/heap.h"
#include "watch/prove.h"
#include "watch/sample.h"
#include "watch/state.h"

/* One call in so many is timed, and one stack in so many of those is unwound on trial. */
#define TIMED 32
#define TRIED 128

#define LONG_NANOSECONDS 2000

/* A call that takes longer is of a rare kind: it stands for itself alone. */
#define RARE_NANOSECONDS 100000

static struct next_allocator next;
static void (*next_libc_free)(void *);
static void *(*next_libc_realloc)(void *, size_t);
static enum watch_mode mode;

/* ---- time ------------------------------------------------------------------------------------ */

static void try_sampling(void)
{
    int saved_errno = errno;
    watch_thread.busy = 1;
    signal_fence();
    sample_try();
    signal_fence();
    watch_thread.busy = 0;
    errno = saved_errno;
}

/* The start of a call. */
struct timing {
    uint64_t begun; /* 0: it is not timed */
    uint64_t used;  /* CPU time of the thread by then */
};

static struct timing begin_timing(void)
{
    struct watch_thread *thread = &watch_thread;
    if (mode != WATCH_COUNT || thread->untimed-- > 0)
        return (struct timing){.begun = 0};
    thread->untimed = state_gap(TIMED);
    if (thread->untried-- == 0) {
        thread->untried = TRIED - 1;
        try_sampling();
    }
    uint64_t used = state_clock(CLOCK_THREAD_CPUTIME_ID);
    (void)state_clock(CLOCK_MONOTONIC); /* what it takes the first time is the watching's */
    return (struct timing){.begun = state_clock(CLOCK_MONOTONIC), .used = used};
}

/* Of a longer call the CPU time alone counts, which takes too long to read for short ones: the
 * thread may have waited, for a lock or for a processor. */
static void end_timing(struct timing timing)
{
    if (timing.begun == 0)
        return;
    uint64_t spent = state_clock(CLOCK_MONOTONIC) - timing.begun;
    if (spent > LONG_NANOSECONDS)
        spent = lower(spent, state_clock(CLOCK_THREAD_CPUTIME_ID) - timing.used);
    spent -= lower(spent, watch_record->clock_overhead);
    state_add(&state_counters()->nanoseconds, spent > RARE_NANOSECONDS ? spent : spent * TIMED);
}

/* A look at the clock waits for what came before, which else overlaps with the call, so timing adds
 * more than two looks take: it is measured as what the same calls take more when they are timed. */
static void measure_clock(void)
{
    enum { ROUNDS = 10, PAIRS = 200 };
    uint64_t least_timed = UINT64_MAX, least_untimed = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = state_clock(CLOCK_MONOTONIC), timed = 0;
        for (int i = 0; i < PAIRS; i++)
            next.free(next.malloc(64));
        uint64_t untimed = state_clock(CLOCK_MONOTONIC) - begun;
        for (int i = 0; i < PAIRS; i++) {
            begun = state_clock(CLOCK_MONOTONIC);
            void *block = next.malloc(64);
            timed += state_clock(CLOCK_MONOTONIC) - begun;
            begun = state_clock(CLOCK_MONOTONIC);
            next.free(block);
            timed += state_clock(CLOCK_MONOTONIC) - begun;
        }
        least_timed = timed < least_timed ? timed : least_timed;
        least_untimed = untimed < least_untimed ? untimed : least_untimed;
    }
    uint64_t more = least_timed > least_untimed ? least_timed - least_untimed : 0;
    __atomic_store_n(&watch_record->clock_overhead, more / (2 * PAIRS), __ATOMIC_RELAXED);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static bool is_sampled(void)
{
    struct watch_thread *thread = &watch_thread;
    if (thread->until-- > 0)
        return false;
    thread->until = state_gap(watch_record->every);
    return true;
}

/* A block of the heap for a call that is to be recorded; NULL: it is not. */
static void *draw_recorded(size_t size, size_t alignment, bool *clean)
{
    struct watch_thread *thread = &watch_thread;
    bool sampled = mode != WATCH_COUNT && is_sampled();
    bool proven = mode == WATCH_PROVE && thread->innermost != NULL;
    if (!proven && (mode != WATCH_SAMPLE || !sampled))
        return NULL;
    thread->busy = 1;
    signal_fence();
    void *block = heap_take(size, alignment, clean);
    if (!block)
        state_add(&watch_record->dropped, sampled ? watch_record->every : 1);
    if (block && proven)
        prove_draw(heap_note(block));
    if (block && sampled)
        sample_draw(heap_note(block));
    if (block && proven && heap_note(block)->drawn)
        prove_drawn(heap_note(block));
    signal_fence();
    thread->busy = 0;
    return block;
}

static void count_draw(size_t size)
{
    struct record_thread *counters = state_counters();
    state_count(&counters->calls, 1);
    state_count(&counters->bytes, size);
}

/* Whether the watching itself has been interrupted. */
static bool is_busy(void)
{
    if (LIKELY(watch_thread.busy == 0))
        return false;
    state_add(&watch_record->busy, 1);
    return true;
}

/* A recorded block, or NULL: the next allocator serves the call. */
static ALWAYS_INLINE void *draw(size_t size, size_t alignment, bool *clean)
{
    if (is_busy())
        return NULL;
    int saved_errno = errno;
    count_draw(size);
    void *block = size <= PTRDIFF_MAX ? draw_recorded(size, alignment, clean) : NULL;
    errno = saved_errno;
    return block;
}

static void *watching_malloc(size_t size)
{
    bool clean;
    void *block = draw(size, 16, &clean);
    if (block)
        return block;
    struct timing timing = begin_timing();
    block = next.malloc(size);
    end_timing(timing);
    return block;
}

static void *watching_calloc(size_t count, size_t size)
{
    bool clean;
    size_t bytes;
    void *block = __builtin_mul_overflow(count, size, &bytes) ? NULL : draw(bytes, 16, &clean);
    if (block)
        return clean ? block : memset(block, 0, bytes);
    struct timing timing = begin_timing();
    block = next.calloc(count, size);
    end_timing(timing);
    return block;
}

static bool is_alignment(size_t alignment)
{
    return alignment != 0 && (alignment & (alignment - 1)) == 0;
}

/* The next allocator judges what is no alignment. */
static void *draw_aligned(size_t alignment, size_t size)
{
    bool clean;
    return is_alignment(alignment) ? draw(size, alignment > 16 ? alignment : 16, &clean) : NULL;
}

static void *watching_memalign(size_t alignment, size_t size)
{
    void *block = draw_aligned(alignment, size);
    if (block)
        return block;
    struct timing timing = begin_timing();
    block = next.memalign(alignment, size);
    end_timing(timing);
    return block;
}

static void *watching_aligned_alloc(size_t alignment, size_t size)
{
    void *block = draw_aligned(alignment, size);
    if (block)
        return block;
    struct timing timing = begin_timing();
    block = next.aligned_alloc(alignment, size);
    end_timing(timing);
    return block;
}

static int watching_posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = alignment % sizeof(void *) == 0 ? draw_aligned(alignment, size) : NULL;
    if (block) {
        *out = block;
        return 0;
    }
    struct timing timing = begin_timing();
    int error = next.posix_memalign(out, alignment, size);
    end_timing(timing);
    return error;
}

/* ---- freeing --------------------------------------------------------------------------------- */

static void free_recorded(void *block)
{
    struct watch_thread *thread = &watch_thread;
    struct note *note = heap_note(block);
    int saved_errno = errno;
    thread->busy = 1;
    signal_fence();
    if (note->context)
        prove_free(note);
    if (note->drawn)
        sample_free(note);
    heap_give(block);
    signal_fence();
    thread->busy = 0;
    errno = saved_errno;
}

/* Notes a call that frees or resizes another block than a recorded one. */
static void note_stranger(void)
{
    if (mode == WATCH_PROVE && watch_thread.innermost)
        prove_stranger();
}

static ALWAYS_INLINE void free_any(void *block, void (*free_next)(void *))
{
    bool recorded = heap_has(block);
    if (!block || (is_busy() && recorded))
        return;
    if (watch_thread.busy) {
        free_next(block);
        return;
    }
    state_count(&state_counters()->frees, 1);
    if (recorded) {
        free_recorded(block);
        return;
    }
    note_stranger();
    struct timing timing = begin_timing();
    free_next(block);
    end_timing(timing);
}

static void watching_free(void *block)
{
    free_any(block, next.free);
}

static void watching_libc_free(void *block)
{
    free_any(block, next_libc_free);
}

/* ---- resizing -------------------------------------------------------------------------------- */

/* What a program calls the same block lies elsewhere then, and keeps its record. */
static void *move_recorded(void *block, size_t size)
{
    bool clean;
    struct note *note = heap_note(block);
    size_t room = heap_room(block);
    void *moved = heap_take(size, 16, &clean);
    if (!moved)
        return NULL;
    memcpy(moved, block, room < size ? room : size);
    heap_note(moved)->drawn = note->drawn;
    if (note->context)
        activation_move(heap_note(moved), note);
    heap_give(block);
    return moved;
}

/* To the next allocator. */
static void *move_away(void *block, size_t size)
{
    size_t room = heap_room(block);
    void *moved = next.malloc(size);
    return moved ? memcpy(moved, block, room < size ? room : size) : NULL;
}

static void *resize_recorded(void *block, size_t size)
{
    struct watch_thread *thread = &watch_thread;
    size_t old = heap_note(block)->size, room = heap_room(block);
    thread->busy = 1;
    signal_fence();
    void *resized = block;
    if (size > room || size < room / 4)
        resized = move_recorded(block, size);
    if (resized) {
        heap_note(resized)->size = size;
        if (heap_note(resized)->context)
            prove_resize(heap_note(resized), old);
    }
    signal_fence();
    thread->busy = 0;
    if (!resized && (resized = move_away(block, size)) != NULL) {
        state_add(&watch_record->dropped, heap_note(block)->drawn ? watch_record->every : 1);
        free_recorded(block);
    }
    return resized;
}

static ALWAYS_INLINE void *realloc_any(void *block, size_t size,
                                       void *(*realloc_next)(void *, size_t))
{
    if (!block)
        return watching_malloc(size);
    bool recorded = heap_has(block);
    if (size == 0 && recorded) {
        watching_free(block);
        return NULL;
    }
    if (is_busy())
        /* A handler has interrupted the watching: the block's record is given up. */
        return recorded ? move_away(block, size) : realloc_next(block, size);
    state_count(&state_counters()->resizes, 1);
    if (recorded)
        return resize_recorded(block, size);
    note_stranger();
    struct timing timing = begin_timing();
    void *resized = realloc_next(block, size);
    end_timing(timing);
    return resized;
}

static void *watching_realloc(void *block, size_t size)
{
    return realloc_any(block, size, next.realloc);
}

static void *watching_libc_realloc(void *block, size_t size)
{
    return realloc_any(block, size, next_libc_realloc);
}

static size_t watching_malloc_usable_size(void *block)
{
    return heap_has(block) ? heap_room(block) : next.malloc_usable_size(block);
}

/* ---- start ----------------------------------------------------------------------------------- */

void calls_start(struct watch_host *host)
{
    mode = (enum watch_mode)watch_record->mode;
    next = host->next;
    next_libc_free = host->libc_free;
    next_libc_realloc = host->libc_realloc;
    measure_clock();
    host->watching = (struct next_allocator){
        .malloc = watching_malloc,
        .free = watching_free,
        .calloc = watching_calloc,
        .realloc = watching_realloc,
        .memalign = watching_memalign,
        .aligned_alloc = watching_aligned_alloc,
        .posix_memalign = watching_posix_memalign,
        .malloc_usable_size = watching_malloc_usable_size,
        .malloc_trim = next.malloc_trim,
    };
    host->watching_libc_free = watching_libc_free;
    host->watching_libc_realloc = watching_libc_realloc;
}

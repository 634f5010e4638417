#include "watch/sample.h"

#include <stdbool.h>

#include "watch/backtrace.h"
#include "watch/state.h"
#include "watch/tables.h"

/* In a block of heap.h of its own. */
struct drawn {
    uint32_t leaf;
    uint32_t thread;
    uint32_t forks;
    uint32_t depth;
    uint64_t bytes;
    uint32_t places[]; /* of frames on the stack, from the outermost on */
};

static uint32_t forks; /* before this process */

/* Canonical frame addresses are multiples of 8, and two stacks of a thread do not lie 32 GiB
 * apart at equal places. */
static uint32_t place(uintptr_t cfa)
{
    return (uint32_t)(cfa >> 3);
}

static uint64_t weight(void)
{
    return watch_record->every;
}

static void drop(void)
{
    state_add(&watch_record->dropped, weight());
}

/* The caller's stack, in a block to be given back; NULL: there is no memory. */
static struct backtrace *unwind(void)
{
    bool clean;
    struct backtrace *stack = heap_take(sizeof *stack, 16, &clean);
    if (!stack)
        return NULL;
    backtrace_take(stack);
    if (stack->cut) {
        state_add(&watch_record->cut, weight());
        __atomic_store_n(&watch_record->cut_module, stack->cut_module, __ATOMIC_RELAXED);
    }
    if (stack->deep)
        state_add(&watch_record->too_deep, weight());
    return stack;
}

/* The innermost frame's number; 0: the table is full, or there is no frame. */
static uint32_t enter_frames(struct backtrace *stack)
{
    uint32_t number = 0;
    for (uint32_t i = stack->depth; i-- > 0;) {
        stack->frames[i].parent = number;
        number = tables_frame(&stack->frames[i]);
        if (number == 0)
            break;
    }
    return number;
}

static struct drawn *keep(struct backtrace *stack, size_t bytes)
{
    if (stack->deep || stack->depth == 0)
        return NULL;
    bool clean;
    uint32_t leaf = enter_frames(stack);
    struct drawn *drawn =
        leaf ? heap_take(sizeof *drawn + stack->depth * sizeof *drawn->places, 16, &clean) : NULL;
    if (!drawn) {
        drop();
        return NULL;
    }
    state_add(&watch_record->frames[leaf].calls, weight());
    state_add(&watch_record->frames[leaf].bytes, weight() * bytes);
    *drawn = (struct drawn){
        .leaf = leaf,
        .thread = watch_thread.number,
        .forks = forks,
        .depth = stack->depth,
        .bytes = bytes,
    };
    for (uint32_t i = 0; i < stack->depth; i++)
        drawn->places[i] = place(stack->cfa[stack->depth - 1 - i]);
    return drawn;
}

static void end_timing(uint64_t begun)
{
    struct record_thread *counters = state_counters();
    state_add(&counters->sampled, 1);
    state_add(&counters->sampling, state_clock(CLOCK_THREAD_CPUTIME_ID) - begun);
}

void sample_draw(struct note *note)
{
    uint64_t begun = state_clock(CLOCK_THREAD_CPUTIME_ID);
    struct backtrace *stack = unwind();
    if (stack) {
        note->drawn = keep(stack, note->size);
        heap_give(stack);
    } else {
        drop();
    }
    end_timing(begun);
}

/* The last frame that both have in common. `stack` loses its parents. */
static uint32_t find_bound(const struct drawn *drawn, struct backtrace *stack)
{
    const struct record_frame *frames = watch_record->frames;
    uint32_t number = drawn->leaf, bound = 0;
    if (stack->deep)
        return 0;
    for (uint32_t i = drawn->depth; i-- > 0; number = frames[number].parent)
        if (i < stack->depth)
            stack->frames[stack->depth - 1 - i].parent = number;
    for (uint32_t i = 0; i < drawn->depth && i < stack->depth; i++) {
        const struct record_frame *freeing = &stack->frames[stack->depth - 1 - i];
        const struct record_frame *drawing = &frames[freeing->parent];
        if (drawing->module != freeing->module || drawing->function != freeing->function ||
            drawn->places[i] != place(stack->cfa[stack->depth - 1 - i]))
            break;
        bound = freeing->parent;
        if (drawing->offset != freeing->offset)
            break;
    }
    return bound;
}

static void live(const struct drawn *drawn, enum life_end end, uint32_t bound)
{
    const struct record_life life = {
        .leaf = drawn->leaf,
        .bound = bound,
        .end = end,
        .calls = weight(),
        .bytes = weight() * drawn->bytes,
    };
    if (!tables_live(&life))
        drop();
}

void sample_free(struct note *note)
{
    struct drawn *drawn = note->drawn;
    note->drawn = NULL;
    uint64_t begun = state_clock(CLOCK_THREAD_CPUTIME_ID);
    if (drawn->forks == forks && drawn->thread != watch_thread.number) {
        live(drawn, LIFE_OTHER, 0);
    } else if (drawn->forks == forks) {
        struct backtrace *stack = unwind();
        live(drawn, LIFE_INSIDE, stack ? find_bound(drawn, stack) : 0);
        if (stack)
            heap_give(stack);
    }
    heap_give(drawn);
    end_timing(begun);
}

void sample_survived(const struct note *note, unsigned function)
{
    live(note->drawn, LIFE_SURVIVED, function);
}

/* The unwinder's first call sets up what a signal handler must not interrupt. */
void sample_start(void)
{
    tables_start();
    struct backtrace *stack = unwind();
    if (stack)
        heap_give(stack);
}

void sample_try(void)
{
    struct note note = {.size = 0};
    sample_draw(&note);
    if (note.drawn)
        sample_free(&note);
}

void sample_forked(void)
{
    forks++;
}

/*
 * Fuzz target of the allocators: the input is a stream of operations, on an arena of
 * arenashim/arena.h when its first byte is odd, else on the shim's core (scopes and blocks, as
 * interpose.c puts them together). A model knows every live block and what it holds.
 *
 * Two bytes are an operation and its argument; sizes are made of one more byte or two.
 */
#include "../arena/behind.h"
#include "../shim/harness.h"

#include <arenashim/arena.h>

#include "fuzz.h"

enum { BLOCKS = 64, DEPTH = 12, CAPACITY = 16 * 1024, LIMIT = 128 * 1024 };

struct input {
    const uint8_t *data, *end;
};

static unsigned next_byte(struct input *input)
{
    return input->data < input->end ? *input->data++ : 0;
}

/* Mostly small; up to more than the limit. */
static size_t next_size(struct input *input)
{
    unsigned first = next_byte(input);
    if (first < 0xe0)
        return first;
    if (first < 0xf8)
        return (first & 0x1f) << 8 | next_byte(input);
    return (size_t)(first & 7) << 15 | next_byte(input) << 8 | next_byte(input);
}

struct entry {
    unsigned char *start;
    size_t size;
    size_t alignment;
    int depth;       /* of the scope it is from; 0: of the next allocator */
    size_t position; /* of the arena behind it */
    unsigned char pattern;
};

static struct entry entries[BLOCKS];
static size_t entry_count;
static unsigned char patterns;

static void fill(struct entry *entry)
{
    entry->pattern = ++patterns;
    memset(entry->start, entry->pattern, entry->size);
}

/* One call instead of a loop, of which libFuzzer would watch every comparison. */
static bool is_filled(const unsigned char *start, size_t size, unsigned char byte)
{
    return size == 0 || (start[0] == byte && memcmp(start, start + 1, size - 1) == 0);
}

static void look_at(const struct entry *entry)
{
    require(is_filled(entry->start, entry->size, entry->pattern));
}

static void drop(size_t index)
{
    entries[index] = entries[--entry_count];
}

static struct entry *add(void *start, size_t size, size_t alignment, size_t occupied)
{
    struct entry *entry = &entries[entry_count++];
    *entry = (struct entry){.start = start, .size = size, .alignment = alignment};
    require(is_aligned(start, alignment));
    for (size_t i = 0; i + 1 < entry_count; i++) {
        const struct entry *other = &entries[i];
        require(occupied == 0 || other->size == 0 || other->start + other->size <= entry->start ||
                entry->start + occupied <= other->start);
    }
    fill(entry);
    return entry;
}

/* ---- the arena ------------------------------------------------------------------------------- */

static void arena_allocate(struct arena *arena, struct input *input, bool items)
{
    size_t alignment = (size_t)1 << next_byte(input) % 9;
    size_t size = next_size(input);
    size_t count = items ? next_byte(input) : 1;
    size_t offset = arena_mark(arena);
    uint64_t overflows = arena_overflow_count(arena);
    size_t padding = (0 - ((uintptr_t)arena->base + offset)) & (alignment - 1);
    unsigned char *start = items ? arena_alloc_items(arena, size, alignment, count)
                                 : arena_alloc(arena, size, alignment);
    size *= count;
    if (!start) {
        require(padding + size > arena->capacity - offset);
        require(arena_mark(arena) == offset && arena_overflow_count(arena) == overflows + 1);
        return;
    }
    require(start == arena->base + offset + padding);
    require(arena_mark(arena) == offset + padding + size && arena_mark(arena) <= arena->capacity);
    if (entry_count == BLOCKS)
        return;
    add(start, size, alignment, size)->position = arena_mark(arena);
}

static void forget_above(size_t position)
{
    for (size_t i = entry_count; i-- > 0;) {
        if (entries[i].position <= position)
            continue;
        unpoison(entries[i].start, entries[i].size);
        look_at(&entries[i]);
        poison(entries[i].start, entries[i].size);
        drop(i);
    }
}

static void run_arena(struct input *input)
{
    static unsigned char buffer[4096 + 64];
    struct arena arena;
    arena_position marked = 0;
    size_t highest = 0;
    arena_init(&arena, buffer + next_byte(input) % 64, next_byte(input) * 16);
    entry_count = 0;
    while (input->data < input->end) {
        switch (next_byte(input) % 8) {
        case 0:
            marked = arena_mark(&arena);
            break;
        case 1: /* a position that has been given back already changes nothing */
            arena_rewind(&arena, marked);
            if (marked == arena_mark(&arena))
                forget_above(marked);
            break;
        case 2:
            arena_reset(&arena);
            require(arena_mark(&arena) == 0 && arena_remaining(&arena) == arena.capacity);
            forget_above(0);
            entry_count = 0;
            break;
        case 3:
            require(!arena_alloc(&arena, 1, 0) && !arena_alloc(&arena, 1, 3));
            require(!arena_alloc_items(&arena, SIZE_MAX / 2, 1, 3));
            break;
        case 4:
            arena_allocate(&arena, input, true);
            break;
        default:
            arena_allocate(&arena, input, false);
        }
        highest = highest > arena_mark(&arena) ? highest : arena_mark(&arena);
        require(arena_high_water(&arena) == highest);
        require(arena_remaining(&arena) + arena_mark(&arena) == arena.capacity);
        require(arena_utilization(&arena) >= 0 && arena_utilization(&arena) <= 1);
    }
    for (size_t i = 0; i < entry_count; i++)
        look_at(&entries[i]);
}

/* ---- the shim's core ------------------------------------------------------------------------- */

static struct open_scope {
    arena_scope_token token;
    uintptr_t cursor; /* after it */
    int pauses;
} scopes[DEPTH + 1];
static int depth;

static bool routes(bool marked)
{
    return depth > 0 && scopes[depth].pauses == 0 && marked;
}

static void enter(void *start, size_t size, size_t alignment, bool routed)
{
    if (!start) {
        require(routed && fixed.config.overflow == OVERFLOW_ERROR);
        return;
    }
    bool ours = block_is_ours(start);
    require(routed || !ours);
    size_t usable = t_usable(start);
    require(usable >= size);
    if (ours) {
        require(usable > 0 && (uintptr_t)start >= hot.thread->memory);
        require((uintptr_t)start + usable <= hot.thread->limit_end);
        require((uintptr_t)start + usable <= drop_top(hot.thread));
    }
    add(start, size, alignment, ours ? usable : size)->depth = ours ? depth : 0;
}

static void core_allocate(struct input *input, unsigned how)
{
    size_t size = next_size(input);
    if (entry_count == BLOCKS)
        return;
    if (how == 0) {
        unsigned char *start = t_calloc(1, size);
        require(!start || is_filled(start, size, 0));
        enter(start, size, 16, routes(true));
    } else if (how == 1) {
        size_t alignment = (size_t)16 << next_byte(input) % 10;
        enter(t_memalign(alignment, size), size, alignment, routes(true));
    } else if (how == 2) {
        enter(t_malloc_from(other_caller(), size), size, 16, false);
    } else {
        enter(t_malloc(size), size, 16, routes(true));
    }
}

static void core_free(struct input *input)
{
    if (entry_count == 0)
        return;
    size_t index = next_byte(input) % entry_count;
    look_at(&entries[index]);
    t_free(entries[index].start);
    drop(index);
}

static void core_resize(struct input *input)
{
    size_t number = next_byte(input);
    size_t size = 1 + next_size(input);
    if (entry_count == 0)
        return;
    size_t index = number % entry_count;
    bool marked = number < 0xf0;
    struct entry old = entries[index];
    look_at(&old);
    unsigned char *start =
        t_realloc_from(marked ? marked_caller() : other_caller(), old.start, size);
    bool routed = old.depth > 0 && routes(marked);
    if (!start) {
        require(routed && fixed.config.overflow == OVERFLOW_ERROR && size > old.size);
        look_at(&old);
        return;
    }
    require(is_filled(start, old.size < size ? old.size : size, old.pattern));
    drop(index);
    enter(start, size, 16, routed);
    if (start == old.start)
        entries[entry_count - 1].depth = old.depth;
}

static void core_keep(struct input *input)
{
    if (entry_count == 0)
        return;
    struct entry *entry = &entries[next_byte(input) % entry_count];
    unsigned char *kept = arena_scope_keep(entry->start);
    require(kept && !block_is_ours(kept) && (kept == entry->start) == (entry->depth == 0));
    entry->start = kept;
    entry->depth = 0;
    look_at(entry);
}

static uint64_t ended_paused; /* which is misuse; of all inputs */

static void core_begin(void)
{
    if (depth == DEPTH)
        return;
    struct open_scope *scope = &scopes[++depth];
    scope->pauses = 0;
    scope->token = begin(depth % 2 ? "odd" : "even");
    scope->cursor = depth > 1 ? hot.cursor : 0; /* a begin leaves a gap of the scope around */
}

static void core_end(int ended)
{
    if (depth == 0)
        return;
    ended = 1 + ended % depth;
    for (size_t i = entry_count; i-- > 0;) {
        if (entries[i].depth < ended)
            continue;
        look_at(&entries[i]);
        drop(i);
    }
    ended_paused += scopes[ended].pauses > 0;
    arena_scope_end(scopes[ended].token);
    depth = ended - 1;
    require(hot.cursor == scopes[ended].cursor);
    require(arena_scope_active() == (depth > 0 && scopes[depth].pauses == 0));
}

static void core_pause_or_resume(bool pause)
{
    if (depth == 0)
        return;
    if (pause && scopes[depth].pauses < 3) {
        arena_scope_pause();
        scopes[depth].pauses++;
    } else if (scopes[depth].pauses > 0) {
        arena_scope_resume();
        scopes[depth].pauses--;
    }
    require(arena_scope_active() == (scopes[depth].pauses == 0));
}

static void core_step(struct input *input)
{
    unsigned operation = next_byte(input);
    switch (operation % 12) {
    case 0:
    case 1:
        core_begin();
        break;
    case 2:
        core_end(depth - 1);
        break;
    case 3:
        core_end((int)operation / 12);
        break;
    case 4:
        core_free(input);
        break;
    case 5:
        core_resize(input);
        break;
    case 6:
        core_keep(input);
        break;
    case 7:
        core_pause_or_resume(operation / 12 % 2);
        break;
    default:
        core_allocate(input, operation % 12 - 8);
    }
}

static void run_core(struct input *input, unsigned policy)
{
    static const enum overflow_policy policies[] = {OVERFLOW_GROW, OVERFLOW_FALLBACK,
                                                    OVERFLOW_ERROR};
    static bool started;
    if (!started)
        routing_start(CAPACITY, LIMIT, 16);
    started = true;
    fixed.config.overflow = policies[policy % COUNT(policies)];
    entry_count = 0;
    while (input->data < input->end)
        core_step(input);
    while (depth > 0)
        core_end(depth - 1);
    while (entry_count > 0) {
        look_at(&entries[0]);
        t_free(entries[0].start);
        drop(0);
    }
    require(hot.thread == NULL || hot.thread->touched <= hot.thread->nominal_end);
    require(misuse_count() == ended_paused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    unsigned first = next_byte(&input);
    if (first % 2)
        run_arena(&input);
    else
        run_core(&input, first / 2);
    return 0;
}

/*
 * What the files of scopes that retain share, and no others use.
 */
#ifndef ENGINE_RETAIN_HEAP_H
#define ENGINE_RETAIN_HEAP_H

#include "base/numbers.h"
#include "base/track.h"
#include "engine/header.h"
#include "engine/retain.h"

/* Where blocks are checked, there lie behind each a red zone, its address (which is not the first
 * where it is aligned), the caller and the size asked for. A freed one stays as it was until a
 * sweep, in no list: in the place of the next one's address is a 1. */
#define RETAIN_CHECKED_BYTES (BLOCK_RED_ZONE + 3 * sizeof(size_t))
#define RETAIN_WHOLE ((uint64_t)1 << 16)

/* ---- words that the program must not see ----------------------------------------------------- */

static inline uint64_t retain_load(uintptr_t place)
{
    if (LIKELY(!fixed.checked))
        return *(uint64_t *)place;
    track_look();
    uint64_t value = *(uint64_t *)place;
    track_looked();
    return value;
}

static inline void retain_store(uintptr_t place, uint64_t value)
{
    if (UNLIKELY(fixed.checked))
        track_look();
    *(uint64_t *)place = value;
    if (UNLIKELY(fixed.checked))
        track_looked();
}

/* Where blocks are checked, the pages of a large one end in a word that no header follows. */
static inline size_t retain_large_tail(void)
{
    return fixed.checked ? BLOCK_HEADER : 0;
}

/* Where the size asked for lies, where blocks are checked: in front of the block's end. */
static inline uintptr_t retain_asked_place(uintptr_t end)
{
    return end - sizeof(size_t);
}

static inline uintptr_t retain_caller_place(uintptr_t end)
{
    return end - 2 * sizeof(size_t);
}

static inline uintptr_t retain_start_place(uintptr_t end)
{
    return end - 3 * sizeof(size_t);
}

/* What the debug switches see of a block. */
static inline struct header retain_described(uintptr_t end)
{
    return (struct header){0, retain_load(retain_caller_place(end)),
                           retain_load(retain_asked_place(end)), retain_start_place(end)};
}

/* ---- classes --------------------------------------------------------------------------------- */

/* Bytes of a block, header included, of `size` bytes; those that a class gives out. */
static inline size_t retain_total(size_t size)
{
    size_t total = total_bytes(size + (fixed.checked ? RETAIN_CHECKED_BYTES : 0));
    if (total <= RETAIN_EXACT)
        return total;
    size_t step = (size_t)1 << (63 - __builtin_clzl(total)) >> 4;
    if (step < fixed.config.align)
        step = fixed.config.align;
    return (total + step - 1) & ~(step - 1);
}

/* Bytes of the first of the free blocks that so many bytes make: no class gives out what has a
 * little more than the largest of the exact ones. */
static inline size_t retain_piece(size_t bytes)
{
    size_t least = RETAIN_EXACT + RETAIN_EXACT / 16;
    return bytes > RETAIN_EXACT && bytes < least ? RETAIN_EXACT : lower(bytes, RETAIN_SHARED);
}

/* The list of free blocks of `total` bytes or more. */
static inline uintptr_t *retain_list(struct heap *heap, size_t total)
{
    if (total <= RETAIN_EXACT)
        return &heap->exact[total / RETAIN_UNIT].first;
    unsigned bits = 63 - (unsigned)__builtin_clzl(total);
    return &heap->wide[(bits - 10) * 16 + (total >> (bits - 4) & 15)];
}

/* Enters a free block into its list. */
static inline void retain_put(struct heap *heap, uintptr_t block, size_t total)
{
    uintptr_t *first = retain_list(heap, total);
    retain_store(block - BLOCK_HEADER, *first << 16 | total | RETAIN_FREED);
    *first = block;
}

/* Whether a block has more than enough left when `needed` of its bytes are. Room to grow, a third
 * of a block that has been moved (block.c), is there to be grown into step by step. */
static inline bool retain_is_rest(size_t bytes, size_t needed)
{
    return needed < bytes - bytes / 3;
}

/* ---- between the files ----------------------------------------------------------------------- */

/* What a header says. */
struct retain_block {
    uint64_t header; /* of the block itself */
    uintptr_t
        block; /* that is in the lists: where this one is aligned inside of it, the outer one */
    uintptr_t end;
    bool large;
};

/* False when there is no such block in the heap, alive or free. In retain_free.c. */
bool retain_inspect(const struct heap *heap, uintptr_t block, struct retain_block *found);

/* Takes what others have freed. True when there was something. In retain_free.c. */
bool retain_drain(struct thread *thread);

/* A block in pages of its own, zero where the request says so; 0 when there is no room. In
 * retain_large.c. */
uintptr_t retain_draw_large(struct thread *thread, const struct request *request);

/* Resizes one where it lies, if that can be. */
bool retain_resize_large(struct thread *thread, const struct retain_block *found, size_t size);

/* What is kept warm is set, or nothing may lie beyond. In retain_room.c, as are those that follow.
 */
bool retain_is_limited(void);

/* Takes `count` pages, of which the request needs so many. Counts an overflow when there is no
 * room; PAGES_NONE when its policy refuses, or the kernel. */
uint32_t retain_take_pages(struct thread *thread, const struct request *request, uint32_t needed,
                           uint32_t count, enum pages_kind kind);

/* True when so many pages more are an overflow. */
bool retain_overflows(struct thread *thread, uint32_t needed);
void retain_count_overflow(struct thread *thread, const struct request *request, uint32_t needed);

/* Pages to be taken at once to be bumped through, where `needed` are: at the capacity's end as few
 * as will do. */
uint32_t retain_run_length(const struct heap *heap, uint32_t needed);

/* Notes how much of the heap is in use; before it becomes less. */
void retain_note_peak(struct thread *thread);

/* Makes free blocks of the room in [place, end), which begins and ends at a header. */
void retain_put_room(struct heap *heap, uintptr_t place, uintptr_t end);

/* With ARENASHIM_DEBUG=verify looks at all blocks, alive and freed, of which none has been used
 * again; only when much has been drawn since the last time, or `always`. In retain_verify.c. */
void retain_verify(struct thread *thread, const char *when, bool always);

/* Makes free neighbours one, and gives pages back in which nothing is alive. The larger pieces are
 * heap->gaps then. In retain_sweep.c. */
void retain_sweep(struct thread *thread);

/* Forgets what is free. */
void retain_clear_lists(struct heap *heap);

/* Whether a sweep is worth its time, and whether one is to come before so many pages overflow. */
bool retain_should_sweep(struct thread *thread);
bool retain_must_sweep(struct thread *thread, uint32_t needed);

#endif

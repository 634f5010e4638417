/*
 * What the files of scopes that retain share, and no others use: the headers of blocks, the way
 * through the gate (retain.h), chunks.
 *
 * In front of each block lie 8 bytes:
 *
 *     63            16 15          4 3       0
 *     | return address | bytes / 16 | freed: 1 |
 *
 * The bytes lead to the next header; a block that has chunks of its own has 0 of them. The address
 * is that of the call that drew the block; where headers lead over a gap, it is 0.
 */
#ifndef SHIM_RETAIN_INTERNAL_H
#define SHIM_RETAIN_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/track.h"
#include "memory/chunks.h"
#include "engine/header.h"
#include "engine/retain.h"
#include "thread/thread.h"

/* ---- headers --------------------------------------------------------------------------------- */

#define RETAIN_FREED ((uint64_t)1)
#define RETAIN_BYTES(header) ((header)&0xfff0)
#define RETAIN_SITE(header) ((uintptr_t)((header) >> 16))

_Static_assert(CHUNK_BYTES <= 0xfff0, "a header holds the bytes of the largest block");

/* Where blocks are checked, a red zone and the size asked for lie behind each. */
#define RETAIN_CHECKED_BYTES (BLOCK_RED_ZONE + sizeof(size_t))

/* Larger requests, alignment included, have chunks of their own. */
#define RETAIN_SHARED_MAX (CHUNK_BYTES / 2)

static inline uint64_t *retain_header_at(const void *block)
{
    return (uint64_t *)((uintptr_t)block - BLOCK_HEADER);
}

/* The header of a block. */
static inline uint64_t retain_load(const void *block)
{
    if (LIKELY(!fixed.checked))
        return *retain_header_at(block);
    track_show(retain_header_at(block), BLOCK_HEADER);
    uint64_t header = *retain_header_at(block);
    track_hide(retain_header_at(block), BLOCK_HEADER);
    return header;
}

/* Writes a header, or what else is hidden from the program. In retain_draw.c. */
void retain_store(uintptr_t place, uint64_t value);

static inline uint64_t retain_make_header(uintptr_t caller, size_t bytes)
{
    return (uint64_t)caller << 16 | bytes;
}

/* Where the size asked for lies, where blocks are checked. */
static inline uintptr_t retain_asked_place(uintptr_t end)
{
    return end - sizeof(size_t);
}

/* What the debug switches see of a block. */
static inline struct header retain_described(uint64_t header, size_t asked, uintptr_t end)
{
    return (struct header){0, RETAIN_SITE(header), asked, retain_asked_place(end) - BLOCK_HEADER};
}

/* Bytes from a block's header to the next. */
static inline size_t retain_total_size(size_t size)
{
    return (size + (fixed.checked ? RETAIN_CHECKED_BYTES : 0) + fixed.bias) & fixed.mask;
}

/* ---- the gate -------------------------------------------------------------------------------- */

/* A slow path is at work from here to retain_open_gate. */
static inline void retain_close_gate(struct retained *r)
{
    r->busy = true;
    signal_fence();
    r->limit = 0;
    signal_fence();
}

/* Opens the gate of the fast paths. */
static inline void retain_restore_limit(struct retained *r)
{
    if (!fixed.checked)
        r->limit = retain_limit(r);
}

static inline void retain_open_gate(struct retained *r)
{
    signal_fence();
    retain_restore_limit(r);
    signal_fence();
    r->busy = false;
}

/*
 * Until a path has closed the gate, a signal handler's scope may move the cursor, and to another
 * chunk. Where the cursor is what it was, and `gate` no further away than a chunk is long, both are
 * of the current chunk.
 */
static ALWAYS_INLINE bool retain_close_at(struct retained *r, uintptr_t cursor)
{
    r->limit = 0;
    signal_fence();
    if (LIKELY(r->cursor == cursor))
        return true;
    retain_restore_limit(r);
    return false;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Chunks that there may be before requests overflow. */
static inline uint32_t retain_capacity(void)
{
    size_t chunks = fixed.config.capacity / CHUNK_BYTES;
    return chunks > 1 ? (uint32_t)(chunks < CHUNKS_MAX ? chunks : CHUNKS_MAX) : 1;
}

/* Enters the chunks in use into the peak of a site. */
static inline void retain_note_peak(const struct thread *thread, struct site_stats *stats)
{
    uint64_t bytes = (uint64_t)thread->retained.chunks.used * CHUNK_BYTES;
    if (bytes > stats->peak)
        stats->peak = bytes;
}

/* Releases the chunks that others have emptied. */
static inline void retain_reclaim(struct retained *r)
{
    if (chunks_were_emptied(&r->chunks))
        chunks_reclaim(&r->chunks, r->cursor ? (int)r->current : -1);
}

/* Moves what the paths counted to the current chunk. */
static inline void retain_count_chunk(struct retained *r)
{
    struct chunk *chunk = &r->chunks.table[r->current];
    chunk->drawn += (uint32_t)(r->drawn - r->chunk_drawn);
    chunk->freed += (uint32_t)(r->freed - r->chunk_freed);
    r->chunk_drawn = r->drawn;
    r->chunk_freed = r->freed;
}

/* Whether no block of the current chunk is alive. */
static inline bool retain_is_empty(struct retained *r)
{
    if (r->cursor == 0)
        return false;
    retain_count_chunk(r);
    return chunk_live(&r->chunks.table[r->current]) == 0;
}

/* Drawing goes on at the start of the chunk. */
static inline void retain_use_chunk(struct thread *thread, uint32_t index)
{
    struct retained *r = &thread->retained;
    r->current = index;
    r->cursor = r->start = block_base(chunks_address(&r->chunks, index));
    r->refills++;
}

/* The current chunk, in which no block is alive, is used from its start again. */
static inline void retain_restart(struct thread *thread)
{
    struct retained *r = &thread->retained;
    chunks_restart(&r->chunks, r->current, (uint32_t)thread->serial);
    retain_use_chunk(thread, r->current);
}

/* ---- scopes ---------------------------------------------------------------------------------- */

/* The innermost scope that retains among the first `depth`; NULL when there is none. */
static inline struct frame *retain_innermost(struct thread *thread, uint64_t depth)
{
    while (depth > 0 && !thread->frames[depth - 1].retains)
        depth--;
    return depth > 0 ? &thread->frames[depth - 1] : NULL;
}

/* The innermost scope is used: its end has more to do than put back what begin found. */
static inline void retain_note_use(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    frame->peak |= frame->retains;
}

/* Whether the calls of `caller` take part; if so, those of its module are the fast paths' from now
 * on. In retain_draw.c. */
bool retain_is_routed(struct thread *thread, uintptr_t caller);

#endif

/*
 * The scopes themselves: what survives them, what they count, pauses, the life of their thread.
 */
#include "engine/retain.h"

#include "engine/retain_internal.h"

/* ---- survivors ------------------------------------------------------------------------------- */

static void note_survivors(struct thread *thread, struct frame *frame)
{
    struct chunks *chunks = &thread->retained.chunks;
    struct site_stats *stats = frame->stats;
    stats->survivors += (uint64_t)frame->live;
    if (chunks->used > stats->pinned)
        stats->pinned = chunks->used;
    /* They are the outer scope's from now on. */
    struct frame *outer = retain_innermost(thread, thread->depth - 1);
    if (outer) {
        outer->live += frame->live;
        outer->peak |= 1; /* see retain_note_use */
    }
}

/* ---- scopes ---------------------------------------------------------------------------------- */

void retain_settle(struct thread *thread, struct frame *frame)
{
    struct retained *r = &thread->retained;
    uint64_t calls = r->drawn - r->settled_drawn;
    uint64_t freed = r->freed - r->settled_freed;
    uint64_t bytes = r->bytes - r->settled_bytes;
    /* Added, not set: a signal handler may have settled in between. Then the next settling evens
     * out what was entered twice. */
    signal_fence();
    r->settled_drawn += calls;
    r->settled_freed += freed;
    r->settled_bytes += bytes;
    frame->stats->calls += calls;
    frame->stats->bytes += bytes;
    frame->live += (int64_t)(calls - freed);
    thread->freed += freed;
}

/* After the outermost scope: what lies past the capacity goes back to the kernel. */
static void give_back(struct retained *r)
{
    struct chunks *chunks = &r->chunks;
    uint32_t capacity = retain_capacity();
    if (LIKELY(chunks->used + chunks->warm <= capacity))
        return;
    retain_reclaim(r);
    if (chunks->warm > capacity)
        chunks_trim(chunks, capacity);
}

void retain_look_back(struct thread *thread, struct frame *frame, uintptr_t gate)
{
    struct retained *r = &thread->retained;
    if (retain_is_interrupted(r, gate))
        return;
    r->busy = true;
    signal_fence();
    retain_note_peak(thread, frame->stats);
    if (frame->live > 0)
        note_survivors(thread, frame);
    if (retain_is_empty(r) && r->cursor != block_base(chunks_address(&r->chunks, r->current)))
        retain_restart(thread);
    if (frame->outer_block == UINTPTR_MAX)
        give_back(r);
    signal_fence();
    r->busy = false;
}

void retain_pause(struct thread *thread, struct frame *frame)
{
    frame->paused_module_size = thread->retained.module_size;
    signal_fence();
    thread->retained.module_size = 0;
}

void retain_resume(struct thread *thread, const struct frame *frame)
{
    thread->retained.module_size = frame->paused_module_size;
}

/* ---- the life of a thread -------------------------------------------------------------------- */

static void forget_chunk(struct retained *r)
{
    r->cursor = 0;
    r->start = UINTPTR_MAX;
    r->module_size = 0;
    retain_open_gate(r);
}

bool retain_trim(struct thread *thread, size_t pad)
{
    struct retained *r = &thread->retained;
    size_t kept = pad / CHUNK_BYTES;
    retain_reclaim(r);
    uint32_t warm = r->chunks.warm;
    chunks_trim(&r->chunks, kept < CHUNKS_MAX ? (uint32_t)kept : CHUNKS_MAX);
    return r->chunks.warm < warm;
}

void retain_leave(struct thread *thread)
{
    struct retained *r = &thread->retained;
    retain_close_gate(r);
    if (r->cursor != 0)
        retain_count_chunk(r);
    forget_chunk(r);
    chunks_reclaim(&r->chunks, -1);
    chunks_trim(&r->chunks, 0);
}

/* Where the gate would be if no call were pending. */
static uintptr_t gate_of(const struct thread *thread)
{
    uintptr_t gate = thread->retained.limit;
    for (uint64_t i = thread->depth; i > 0 && frame_is_pending(&thread->frames[i - 1]); i--)
        gate |= thread->frames[i - 1].outer_gate;
    return gate;
}

void retain_orphan(struct thread *thread)
{
    struct retained *r = &thread->retained;
    bool uncertain = retain_is_interrupted(r, gate_of(thread));
    /* Where its counts may be behind, chunks are never used again. */
    for (uint32_t i = 0; i < r->chunks.count; i++)
        if (uncertain || (r->cursor != 0 && i == r->current))
            r->chunks.table[i].drawn += UINT32_MAX / 2 - chunk_live(&r->chunks.table[i]);
    r->chunk_drawn = r->drawn;
    r->chunk_freed = r->freed;
    forget_chunk(r);
}

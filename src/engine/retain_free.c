/*
 * Freeing, resizing and measuring the blocks of scopes that retain, by any thread, in whatever
 * scope or outside.
 *
 * A pointer may be no block, or one freed already: chunk and header are looked at before anything
 * is written. A free is counted when the header is marked and the cursor is back, so that no chunk
 * seems empty that is not.
 */
#include <errno.h>
#include <string.h>

#include "engine/debug.h"
#include "thread/misuse.h"
#include "engine/retain.h"
#include "engine/retain_internal.h"
#include "scope/scope.h"

#define UNIT ((size_t)16)

/* ---- the fast path --------------------------------------------------------------------------- */

/* Frees a block that lies in the current chunk and is the innermost scope's. */
static ALWAYS_INLINE bool release(struct thread *thread, void *block)
{
    struct retained *r = &thread->retained;
    uintptr_t place = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t cursor = r->cursor;
    uintptr_t gate = r->limit;
    signal_fence(); /* the start must be of that chunk, or of a later one, which retain_close_at
                       sees */
    if (UNLIKELY(place < r->start || place >= cursor || gate - cursor > CHUNK_BYTES ||
                 hot.cursor != 0 || (uintptr_t)block % UNIT != 0))
        return false;
    uint64_t header = *(uint64_t *)place;
    uintptr_t extent = cursor - place;
    bool newest = (uint16_t)header == extent; /* then it is not marked as freed, either */
    if (UNLIKELY(!newest && ((header & RETAIN_FREED) || RETAIN_BYTES(header) - 1 >= extent)))
        return false;
    if (UNLIKELY(!retain_close_at(r, cursor)))
        return false;
    *(uint64_t *)place = header | RETAIN_FREED;
    if (LIKELY(newest))
        r->cursor = place;
    r->freed++;
    signal_fence();
    r->limit = gate;
    return true;
}

/* ---- finding a block ------------------------------------------------------------------------- */

/* The record of the slot that the address lies in; NULL when there is none. */
static struct thread *owner_of(const void *block)
{
    size_t slot = ((uintptr_t)block - fixed.region.start) / fixed.region.span;
    return (int)slot < region_slots_seen() ? thread_in_slot((int)slot) : NULL;
}

bool retain_holds(const void *block)
{
    const struct thread *thread = hot.thread;
    if (thread && chunks_hold(&thread->retained.chunks, (uintptr_t)block))
        return true;
    thread = owner_of(block);
    return thread && chunks_hold(&thread->retained.chunks, (uintptr_t)block);
}

/* The run that a block lies in, with the block's header and end; NULL when there can be no such
 * block. */
static struct chunk *inspect(const struct thread *owner, const void *block, uint64_t *header,
                             uintptr_t *end)
{
    const struct chunks *chunks = &owner->retained.chunks;
    uint32_t index = chunks_index(chunks, (uintptr_t)block);
    struct chunk *chunk = &chunks->table[index];
    uintptr_t run_end = chunks_address(chunks, index + chunk->run);
    uintptr_t offset = (uintptr_t)block - chunks_address(chunks, index);
    if (chunk->run == 0 || offset % UNIT != 0 || offset == 0 ||
        (chunk->alone != 0 && chunk->alone != offset))
        return NULL;
    *header = retain_load(block);
    *end = chunk->alone != 0 ? run_end - BLOCK_HEADER
                             : (uintptr_t)block - BLOCK_HEADER + RETAIN_BYTES(*header);
    return *end > (uintptr_t)block && *end <= run_end ? chunk : NULL;
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* Where blocks are checked: the last look at one. */
static void leave_checked(struct thread *owner, void *block, uint64_t header, uintptr_t end)
{
    track_show((void *)retain_asked_place(end), sizeof(size_t));
    struct header whole = retain_described(header, *(size_t *)retain_asked_place(end), end);
    debug_freed(block, &whole);
    track_free(&owner->retained, block);
}

/* Marks the block as freed. NULL, after a message, when it is none or has been freed. */
static struct chunk *mark(struct thread *owner, void *block)
{
    uintptr_t end;
    uint64_t header;
    struct chunk *chunk = inspect(owner, block, &header, &end);
    if (!chunk) {
        misuse_report(MISUSE_NOT_A_BLOCK, block);
        return NULL;
    }
    if (header & RETAIN_FREED) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return NULL;
    }
    if (UNLIKELY(fixed.checked))
        leave_checked(owner, block, header, end);
    retain_store((uintptr_t)block - BLOCK_HEADER, header | RETAIN_FREED);
    return chunk;
}

/* Whether a block was drawn in the scope, or in one inside. */
static bool is_of(const struct retained *r, const struct frame *frame, const struct chunk *chunk,
                  const void *block)
{
    if ((int32_t)(chunk->serial - (uint32_t)(frame->token >> 32)) >= 0)
        return true;
    uint32_t index = (uint32_t)(chunk - r->chunks.table);
    return frame->first_block != 0 && chunks_index(&r->chunks, frame->first_block) == index &&
           (uintptr_t)block > frame->first_block;
}

/* Takes the block off the count of the scope that it was drawn in. */
static void uncount(struct thread *thread, const struct chunk *chunk, const void *block)
{
    struct frame *frame = retain_innermost(thread, thread->depth);
    while (frame && !is_of(&thread->retained, frame, chunk, block))
        frame = retain_innermost(thread, (uint64_t)(frame - thread->frames));
    if (frame)
        frame->live--;
}

static void free_own(struct thread *thread, void *block)
{
    struct retained *r = &thread->retained;
    struct chunk *chunk = mark(thread, block);
    if (!chunk)
        return;
    retain_note_use(thread);
    uncount(thread, chunk, block);
    thread->freed++;
    chunk->freed++;
    uint32_t index = (uint32_t)(chunk - r->chunks.table);
    if ((index != r->current || r->cursor == 0) && chunk_live(chunk) == 0)
        chunks_release(&r->chunks, index);
}

/* By whoever is not the owner, or is not sure that the owner's counts are in order just now. */
static void free_late(struct thread *owner, void *block)
{
    struct chunk *chunk = mark(owner, block);
    if (chunk)
        chunks_free_late(&owner->retained.chunks, chunk);
}

static OUT_OF_LINE void free_slowly(void *block)
{
    struct thread *thread = hot.thread;
    if (thread && chunks_hold(&thread->retained.chunks, (uintptr_t)block)) {
        struct retained *r = &thread->retained;
        if (scope_is_pending(thread))
            scope_open_pending(thread);
        if (thread->depth == 0 || retain_is_interrupted(r, r->limit)) {
            free_late(thread, block);
            return;
        }
        retain_close_gate(r);
        free_own(thread, block);
        retain_open_gate(r);
        return;
    }
    struct thread *owner = owner_of(block);
    if (owner && chunks_hold(&owner->retained.chunks, (uintptr_t)block))
        free_late(owner, block);
    else
        block_free_dropped(block);
}

OUT_OF_LINE HOT void retain_free(void *block)
{
    struct thread *thread = hot.thread;
    if (UNLIKELY(thread == NULL) || UNLIKELY(!release(thread, block)))
        free_slowly(block);
}

/* ---- resizing -------------------------------------------------------------------------------- */

size_t retain_usable(const void *block)
{
    uintptr_t end;
    uint64_t header;
    if (!inspect(owner_of(block), block, &header, &end))
        return 0;
    if (LIKELY(!fixed.checked))
        return end - (uintptr_t)block;
    track_show((void *)retain_asked_place(end), sizeof(size_t));
    size_t asked = *(size_t *)retain_asked_place(end);
    track_hide((void *)retain_asked_place(end), sizeof(size_t));
    return asked;
}

/* The last block before the cursor, of the innermost scope. */
static bool is_newest(const struct thread *thread, const void *block, uintptr_t end)
{
    const struct retained *r = &thread->retained;
    return end == r->cursor && (uintptr_t)block > r->start;
}

/* Resizes a block of the thread's own where it lies, if that can be. */
static bool resize_in_place(struct thread *thread, void *block, size_t size)
{
    struct retained *r = &thread->retained;
    uint64_t header;
    uintptr_t end, place = (uintptr_t)block - BLOCK_HEADER;
    struct chunk *chunk = inspect(thread, block, &header, &end);
    if (fixed.checked || !chunk)
        return false;
    size_t old = end - (uintptr_t)block;
    if (RETAIN_BYTES(header) == 0) {
        uintptr_t start = chunks_address(&r->chunks, (uint32_t)(chunk - r->chunks.table));
        size_t kept =
            ((uintptr_t)block + size + BLOCK_HEADER - start + CHUNK_BYTES - 1) / CHUNK_BYTES;
        if (size > old || size <= RETAIN_SHARED_MAX / 2)
            return false; /* a small block must not keep a chunk for itself */
        if (kept < chunk->run)
            chunks_shorten(&r->chunks, (uint32_t)(chunk - r->chunks.table), (uint32_t)kept);
        return true;
    }
    if (!is_newest(thread, block, end))
        return size <= old;
    uintptr_t limit = chunks_address(&r->chunks, r->current) + CHUNK_BYTES;
    if (size > RETAIN_SHARED_MAX || place + retain_total_size(size) > limit)
        return false;
    if (size > old)
        r->bytes += size - old;
    r->cursor = place + retain_total_size(size);
    retain_store(place, retain_make_header(RETAIN_SITE(header), retain_total_size(size)));
    return true;
}

/* The same for whoever's block. */
static bool resize(struct thread *thread, void *block, size_t size)
{
    struct retained *r = &thread->retained;
    if (!chunks_hold(&r->chunks, (uintptr_t)block))
        return !fixed.checked && size <= retain_usable(block);
    retain_close_gate(r);
    bool done = resize_in_place(thread, block, size);
    retain_open_gate(r);
    return done;
}

static void *move(void *block, size_t size, void *target)
{
    if (target) {
        size_t old = retain_usable(block);
        memcpy(target, block, old < size ? old : size);
        retain_free(block);
    }
    return target;
}

/* In a scope that does not retain, too, the block goes to the next allocator: it is to outlive that
 * scope as it was to outlive its own. */
void *retain_resize(void *block, size_t size, uintptr_t caller)
{
    struct thread *thread = hot.thread;
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if (thread && scope_is_pending(thread))
        scope_open_pending(thread);
    if (!thread || thread->depth == 0 || !thread_innermost(thread)->retains ||
        retain_is_interrupted(&thread->retained, thread->retained.limit) ||
        !retain_is_routed(thread, caller))
        return move(block, size, fixed.next.malloc(size));
    if (resize(thread, block, size)) {
        thread->in_place++;
        return block;
    }
    struct request request = {.size = size, .caller = caller};
    void *target = retain_serve(&request);
    return move(block, size, target == BLOCK_PASS ? fixed.next.malloc(size) : target);
}

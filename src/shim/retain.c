#include "shim/retain.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/track.h"
#include "shim/automatic.h"
#include "shim/debug.h"
#include "shim/learn.h"
#include "shim/misuse.h"
#include "shim/scope.h"

#define FREED ((uint64_t)1)
#define BYTES(header) ((header)&0xfff0)
#define SITE(header) ((uintptr_t)((header) >> 16))
#define UNIT ((size_t)16)

/* Where blocks are checked, a red zone and the size asked for lie behind each. */
#define CHECKED_BYTES (BLOCK_RED_ZONE + sizeof(size_t))

/* Larger requests, alignment included, have chunks of their own. */
#define SHARED_MAX (CHUNK_BYTES / 2)

_Static_assert(CHUNK_BYTES <= 0xfff0, "a header holds the bytes of the largest block");

/* ---- headers --------------------------------------------------------------------------------- */

static uint64_t *header_at(const void *block)
{
    return (uint64_t *)((uintptr_t)block - BLOCK_HEADER);
}

static uint64_t load(const void *block)
{
    if (LIKELY(!fixed.checked))
        return *header_at(block);
    track_show(header_at(block), BLOCK_HEADER);
    uint64_t header = *header_at(block);
    track_hide(header_at(block), BLOCK_HEADER);
    return header;
}

static void store(uintptr_t place, uint64_t value)
{
    if (UNLIKELY(fixed.checked))
        track_show((void *)place, sizeof value);
    *(uint64_t *)place = value;
    if (UNLIKELY(fixed.checked))
        track_hide((void *)place, sizeof value);
}

static uint64_t make_header(uintptr_t caller, size_t bytes)
{
    return (uint64_t)caller << 16 | bytes;
}

/* ---- the gate -------------------------------------------------------------------------------- */

/* True when a signal handler is running that interrupted one of these functions. */
static bool is_interrupted(const struct retained *r)
{
    return retain_is_interrupted(r, r->limit);
}

static void close_gate(struct retained *r)
{
    r->busy = true;
    signal_fence();
    r->limit = 0;
    signal_fence();
}

static void restore_limit(struct retained *r)
{
    if (!fixed.checked)
        r->limit = retain_limit(r);
}

static void open_gate(struct retained *r)
{
    signal_fence();
    restore_limit(r);
    signal_fence();
    r->busy = false;
}

/* ---- fast paths ------------------------------------------------------------------------------ */

/*
 * Until a path has closed the gate, a signal handler's scope may move the cursor, and to another
 * chunk. Where the cursor is what it was, and `gate` no further away than a chunk is long, both are
 * of the current chunk.
 */
static ALWAYS_INLINE bool close_at(struct retained *r, uintptr_t cursor)
{
    r->limit = 0;
    signal_fence();
    if (LIKELY(r->cursor == cursor))
        return true;
    restore_limit(r);
    return false;
}

static ALWAYS_INLINE void *take(struct thread *thread, size_t size, uintptr_t caller)
{
    struct retained *r = &thread->retained;
    uintptr_t cursor = r->cursor;
    uintptr_t gate = r->limit;
    size_t total = (size + fixed.bias) & fixed.mask;
    if (UNLIKELY((ptrdiff_t)size < 0 || total > gate - cursor || gate - cursor > CHUNK_BYTES ||
                 caller - r->module_start >= r->module_size || learn_may_know(caller)))
        return NULL;
    if (UNLIKELY(!close_at(r, cursor)))
        return NULL;
    r->drawn++;
    r->bytes += size;
    *(uint64_t *)cursor = make_header(caller, total);
    r->cursor = cursor + total;
    signal_fence();
    r->limit = gate;
    if (cursor + BLOCK_HEADER == 0)
        __builtin_unreachable(); /* spares the caller a test for NULL */
    return (void *)(cursor + BLOCK_HEADER);
}

/* Frees a block that lies in the current chunk and is the innermost scope's. */
static ALWAYS_INLINE bool release(struct thread *thread, void *block)
{
    struct retained *r = &thread->retained;
    uintptr_t place = (uintptr_t)block - BLOCK_HEADER;
    uintptr_t cursor = r->cursor;
    uintptr_t gate = r->limit;
    if (UNLIKELY(place < r->start || place >= cursor || gate - cursor > CHUNK_BYTES ||
                 hot.cursor != 0 || (uintptr_t)block % UNIT != 0))
        return false;
    uint64_t header = *(uint64_t *)place;
    uintptr_t extent = cursor - place;
    bool newest = (uint16_t)header == extent; /* then it is not marked as freed, either */
    if (UNLIKELY(!newest && ((header & FREED) || BYTES(header) - 1 >= extent)))
        return false;
    if (UNLIKELY(!close_at(r, cursor)))
        return false;
    *(uint64_t *)place = header | FREED;
    if (LIKELY(newest))
        r->cursor = place;
    r->freed++;
    signal_fence();
    r->limit = gate;
    return true;
}

/* The end of the innermost scope then has more to do than put back what begin found. */
static void note_use(struct thread *thread)
{
    struct frame *frame = thread_innermost(thread);
    frame->peak |= frame->retains;
}

/* ---- taking chunks --------------------------------------------------------------------------- */

static uint32_t capacity_in_chunks(void)
{
    size_t chunks = fixed.config.capacity / CHUNK_BYTES;
    return chunks > 1 ? (uint32_t)(chunks < CHUNKS_MAX ? chunks : CHUNKS_MAX) : 1;
}

static void count_overflow(struct thread *thread, uint32_t count)
{
    uint64_t need = ((uint64_t)thread->retained.chunks.used + count) * CHUNK_BYTES;
    thread_innermost(thread)->stats->overflows++;
    if (need > thread->need && need <= CAPACITY_MAX)
        thread->need = need;
}

size_t retain_room(const struct thread *thread)
{
    uint32_t capacity = capacity_in_chunks();
    uint32_t used = thread->retained.chunks.used;
    return capacity > used ? (capacity - used) * CHUNK_BYTES : 0;
}

static void note_peak(const struct thread *thread, struct site_stats *stats)
{
    uint64_t bytes = (uint64_t)thread->retained.chunks.used * CHUNK_BYTES;
    if (bytes > stats->peak)
        stats->peak = bytes;
}

/* Releases the chunks that others have emptied. */
static void reclaim(struct retained *r)
{
    if (chunks_were_emptied(&r->chunks))
        chunks_reclaim(&r->chunks, r->cursor ? (int)r->current : -1);
}

/* The first chunk of a run, or -1 when the overflow policy or the kernel refuses it. */
static int take_chunks(struct thread *thread, uint32_t count, bool *clean)
{
    struct retained *r = &thread->retained;
    struct chunks *chunks = &r->chunks;
    uint32_t capacity = capacity_in_chunks();
    /* What others have freed is used again before memory is added. */
    if (chunks->used + count > capacity || chunks_would_grow(chunks, count))
        reclaim(r);
    bool overflows = chunks->used + count > capacity;
    int index = -1;
    if (!overflows || fixed.config.overflow == OVERFLOW_GROW)
        index = chunks_take(chunks, count, (uint32_t)thread->serial, clean);
    if (overflows || index < 0)
        count_overflow(thread, count);
    uint64_t bytes = (uint64_t)chunks->used * CHUNK_BYTES;
    if (bytes > thread->high_water)
        thread->high_water = bytes;
    note_peak(thread, thread_innermost(thread)->stats);
    return index;
}

/* Moves what the paths counted to the current chunk. */
static void count_chunk(struct retained *r)
{
    struct chunk *chunk = &r->chunks.table[r->current];
    chunk->drawn += (uint32_t)(r->drawn - r->chunk_drawn);
    chunk->freed += (uint32_t)(r->freed - r->chunk_freed);
    r->chunk_drawn = r->drawn;
    r->chunk_freed = r->freed;
}

/* Whether no block of the current chunk is alive. */
static bool is_empty(struct retained *r)
{
    if (r->cursor == 0)
        return false;
    count_chunk(r);
    return chunk_live(&r->chunks.table[r->current]) == 0;
}

static void use_chunk(struct thread *thread, uint32_t index)
{
    struct retained *r = &thread->retained;
    r->current = index;
    r->cursor = r->start = block_base(chunks_address(&r->chunks, index));
    r->refills++;
}

/* The current chunk, in which no block is alive, is used from its start again. */
static void restart(struct thread *thread)
{
    struct retained *r = &thread->retained;
    chunks_restart(&r->chunks, r->current, (uint32_t)thread->serial);
    use_chunk(thread, r->current);
}

static bool refill(struct thread *thread)
{
    bool clean;
    if (is_empty(&thread->retained)) {
        restart(thread);
        return true;
    }
    int index = take_chunks(thread, 1, &clean);
    if (index < 0)
        return false;
    if (thread->retained.cursor != 0)
        store(thread->retained.cursor, 0); /* the end, for whoever walks along the headers */
    use_chunk(thread, (uint32_t)index);
    return true;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static size_t alignment_of(const struct request *request)
{
    return request->alignment > fixed.config.align ? request->alignment : fixed.config.align;
}

/* Bytes from a block's header to the next. */
static size_t total_size(size_t size)
{
    return (size + (fixed.checked ? CHECKED_BYTES : 0) + fixed.bias) & fixed.mask;
}

/* Where the size asked for lies, where blocks are checked. */
static uintptr_t asked_place(uintptr_t end)
{
    return end - sizeof(size_t);
}

/* What the debug switches see of a block. */
static struct header described(uint64_t header, size_t asked, uintptr_t end)
{
    return (struct header){0, SITE(header), asked, asked_place(end) - BLOCK_HEADER};
}

static void enter_checked(struct thread *thread, uintptr_t block, uint64_t header, size_t size,
                          uintptr_t end)
{
    size_t asked = size > 0 ? size : 1;
    struct header whole = described(header, asked, end);
    store(asked_place(end), asked);
    debug_drawn((void *)block, &whole);
    track_alloc(&thread->retained, (void *)block, asked);
}

static void *draw_shared(struct thread *thread, const struct request *request)
{
    struct retained *r = &thread->retained;
    size_t alignment = alignment_of(request);
    size_t total = total_size(request->size);
    uintptr_t block;
    for (;;) {
        block = (r->cursor + BLOCK_HEADER + alignment - 1) & ~(alignment - 1);
        if (r->cursor != 0 &&
            block - BLOCK_HEADER + total <= chunks_address(&r->chunks, r->current) + CHUNK_BYTES)
            break;
        if (!refill(thread))
            return NULL;
    }
    uintptr_t place = block - BLOCK_HEADER;
    uint64_t header = make_header(request->caller, total);
    if (place > r->cursor) /* headers lead from one to the next without a break */
        store(r->cursor, make_header(0, place - r->cursor) | FREED);
    store(place, header);
    r->cursor = place + total;
    r->drawn++;
    r->bytes += request->size;
    if (UNLIKELY(fixed.checked))
        enter_checked(thread, block, header, request->size, place + total);
    if (request->zeroed)
        memset((void *)block, 0, request->size);
    return (void *)block;
}

/* Counts a block, other than one of the current chunk's. */
static void count_own(struct thread *thread, size_t size)
{
    struct frame *frame = thread_innermost(thread);
    frame->stats->calls++;
    frame->stats->bytes += size;
    frame->live++;
}

/* A block with chunks of its own. */
static void *draw_alone(struct thread *thread, const struct request *request)
{
    struct chunks *chunks = &thread->retained.chunks;
    size_t alignment = alignment_of(request);
    bool clean;
    if (alignment > SHARED_MAX || request->size > CHUNKS_MAX * CHUNK_BYTES)
        return NULL;
    size_t bytes = alignment + total_size(request->size) + BLOCK_HEADER;
    uint32_t count = (uint32_t)((bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    int index = take_chunks(thread, count, &clean);
    if (index < 0)
        return NULL;
    uintptr_t start = chunks_address(chunks, (uint32_t)index);
    uintptr_t block = (start + BLOCK_HEADER + alignment - 1) & ~(alignment - 1);
    uint64_t header = make_header(request->caller, 0);
    chunks->table[index].drawn = 1;
    chunks->table[index].alone = (uint32_t)(block - start);
    thread->retained.runs++;
    store(block - BLOCK_HEADER, header);
    count_own(thread, request->size);
    if (UNLIKELY(fixed.checked))
        enter_checked(thread, block, header, request->size,
                      start + count * CHUNK_BYTES - BLOCK_HEADER);
    if (request->zeroed && (!clean || fixed.checked))
        memset((void *)block, 0, request->size);
    return (void *)block;
}

/* ---- the slow path --------------------------------------------------------------------------- */

static bool is_routed(struct thread *thread, uintptr_t caller)
{
    struct retained *r = &thread->retained;
    if (caller - r->module_start < r->module_size)
        return true;
    const struct module *module = block_module_of(thread, caller, true);
    if (!module)
        return false;
    r->module_size = 0;
    signal_fence();
    r->module_start = module->start;
    signal_fence();
    r->module_size = module->end - module->start;
    return true;
}

static void *serve(struct thread *thread, const struct request *request)
{
    if (!is_routed(thread, request->caller))
        return BLOCK_PASS;
    note_use(thread);
    if (block_is_absurd(request)) {
        errno = ENOMEM;
        return NULL;
    }
    if (learn_may_know(request->caller) && learn_knows(request->caller)) {
        thread->passed.learned++;
        return BLOCK_PASS;
    }
    bool shared = request->size <= SHARED_MAX && alignment_of(request) <= SHARED_MAX &&
                  total_size(request->size) + alignment_of(request) <= SHARED_MAX;
    void *block = shared ? draw_shared(thread, request) : draw_alone(thread, request);
    return block ? block : block_refused(thread, request);
}

OUT_OF_LINE void *retain_serve(const struct request *request)
{
    struct thread *thread = hot.thread;
    /* operator new, for one, has had no look at the fast path. */
    if (LIKELY(thread && request->alignment == 0 && !request->zeroed)) {
        void *block = take(thread, request->size, request->caller);
        if (block)
            return block;
    }
    if (!thread || thread->depth == 0) {
        if (!automatic_opens())
            return BLOCK_PASS;
        thread = hot.thread;
    } else if (frame_is_pending(thread_innermost(thread))) {
        scope_open_pending(thread);
    }
    if (hot.cursor != 0)
        return block_serve(request);
    if (!thread_innermost(thread)->retains)
        return BLOCK_PASS;
    if (is_interrupted(&thread->retained)) {
        thread->passed.interrupted++;
        return BLOCK_PASS;
    }
    close_gate(&thread->retained);
    void *block = serve(thread, request);
    open_gate(&thread->retained);
    return block;
}

/* Outside of scopes, where none opens by itself, there is nothing to find out. */
static ALWAYS_INLINE bool is_outside(const struct thread *thread)
{
    return (!thread || thread->depth == 0) && fixed.config.scopes == SCOPES_NONE;
}

static OUT_OF_LINE void *malloc_slowly(size_t size, uintptr_t caller)
{
    struct request request = {.size = size, .caller = caller};
    void *block = retain_serve(&request);
    return block == BLOCK_PASS ? fixed.next.malloc(size) : block;
}

static HOT void *retain_malloc(size_t size)
{
    uintptr_t caller = CALLER();
    struct thread *thread = hot.thread;
    void *block = LIKELY(thread != NULL) ? take(thread, size, caller) : NULL;
    if (LIKELY(block != NULL))
        return block;
    return is_outside(thread) ? fixed.next.malloc(size) : malloc_slowly(size, caller);
}

static HOT void *retain_calloc(size_t count, size_t size)
{
    struct request request = {.zeroed = true, .caller = CALLER()};
    if (__builtin_mul_overflow(count, size, &request.size))
        request.size = SIZE_MAX; /* refused by whoever serves it */
    struct thread *thread = hot.thread;
    void *block = thread ? take(thread, request.size, request.caller) : NULL;
    if (LIKELY(block != NULL))
        return memset(block, 0, request.size);
    block = is_outside(thread) ? BLOCK_PASS : retain_serve(&request);
    return block == BLOCK_PASS ? fixed.next.calloc(count, size) : block;
}

void retain_start(void)
{
    if (!fixed.retains)
        return;
    fixed.outside.malloc = retain_malloc;
    fixed.outside.calloc = retain_calloc;
    fixed.outside.serve = retain_serve;
}

/* ---- freeing --------------------------------------------------------------------------------- */

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
    *header = load(block);
    *end = chunk->alone != 0 ? run_end - BLOCK_HEADER
                             : (uintptr_t)block - BLOCK_HEADER + BYTES(*header);
    return *end > (uintptr_t)block && *end <= run_end ? chunk : NULL;
}

/* Where blocks are checked: the last look at one. */
static void leave_checked(struct thread *owner, void *block, uint64_t header, uintptr_t end)
{
    track_show((void *)asked_place(end), sizeof(size_t));
    struct header whole = described(header, *(size_t *)asked_place(end), end);
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
    if (header & FREED) {
        misuse_report(MISUSE_DOUBLE_FREE, block);
        return NULL;
    }
    if (UNLIKELY(fixed.checked))
        leave_checked(owner, block, header, end);
    store((uintptr_t)block - BLOCK_HEADER, header | FREED);
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

/* The innermost scope that retains among the first `depth`; NULL when there is none. */
static struct frame *retaining(struct thread *thread, uint64_t depth)
{
    while (depth > 0 && !thread->frames[depth - 1].retains)
        depth--;
    return depth > 0 ? &thread->frames[depth - 1] : NULL;
}

/* Takes the block off the count of the scope that it was drawn in. */
static void uncount(struct thread *thread, const struct chunk *chunk, const void *block)
{
    struct frame *frame = retaining(thread, thread->depth);
    while (frame && !is_of(&thread->retained, frame, chunk, block))
        frame = retaining(thread, (uint64_t)(frame - thread->frames));
    if (frame)
        frame->live--;
}

static void free_own(struct thread *thread, void *block)
{
    struct retained *r = &thread->retained;
    struct chunk *chunk = mark(thread, block);
    if (!chunk)
        return;
    note_use(thread);
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
        if (thread->depth == 0 || is_interrupted(r)) {
            free_late(thread, block);
            return;
        }
        close_gate(r);
        free_own(thread, block);
        open_gate(r);
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
    track_show((void *)asked_place(end), sizeof(size_t));
    size_t asked = *(size_t *)asked_place(end);
    track_hide((void *)asked_place(end), sizeof(size_t));
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
    if (BYTES(header) == 0) {
        uintptr_t start = chunks_address(&r->chunks, (uint32_t)(chunk - r->chunks.table));
        size_t kept =
            ((uintptr_t)block + size + BLOCK_HEADER - start + CHUNK_BYTES - 1) / CHUNK_BYTES;
        if (size > old || size <= SHARED_MAX / 2)
            return false; /* a small block must not keep a chunk for itself */
        if (kept < chunk->run)
            chunks_shorten(&r->chunks, (uint32_t)(chunk - r->chunks.table), (uint32_t)kept);
        return true;
    }
    if (!is_newest(thread, block, end))
        return size <= old;
    uintptr_t limit = chunks_address(&r->chunks, r->current) + CHUNK_BYTES;
    if (size > SHARED_MAX || place + total_size(size) > limit)
        return false;
    if (size > old)
        r->bytes += size - old;
    r->cursor = place + total_size(size);
    store(place, make_header(SITE(header), total_size(size)));
    return true;
}

/* The same for whoever's block. */
static bool resize(struct thread *thread, void *block, size_t size)
{
    struct retained *r = &thread->retained;
    if (!chunks_hold(&r->chunks, (uintptr_t)block))
        return !fixed.checked && size <= retain_usable(block);
    close_gate(r);
    bool done = resize_in_place(thread, block, size);
    open_gate(r);
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
        is_interrupted(&thread->retained) || !is_routed(thread, caller))
        return move(block, size, fixed.next.malloc(size));
    if (resize(thread, block, size)) {
        thread->in_place++;
        return block;
    }
    struct request request = {.size = size, .caller = caller};
    void *target = retain_serve(&request);
    return move(block, size, target == BLOCK_PASS ? fixed.next.malloc(size) : target);
}

/* ---- survivors ------------------------------------------------------------------------------- */

/* Learns the sites of the blocks in [place, end) that are alive. */
static uint64_t learn_in(uintptr_t place, uintptr_t end)
{
    uint64_t learned_sites = 0;
    while (place < end) {
        uint64_t header = load((void *)(place + BLOCK_HEADER));
        if (!(header & FREED) && SITE(header) != 0)
            learned_sites += learn_enter(SITE(header));
        if (BYTES(header) == 0)
            break; /* a block alone in its chunks, or not a header yet */
        place += BYTES(header);
    }
    return learned_sites;
}

/* Learns the sites of all blocks that the innermost scope leaves. */
static uint64_t learn_survivors(const struct thread *thread, const struct frame *frame)
{
    const struct retained *r = &thread->retained;
    uint64_t learned_sites = 0;
    if (r->cursor != 0)
        learned_sites = learn_in(r->start, r->cursor);
    if (r->refills == frame->refills && r->runs == frame->runs)
        return learned_sites;
    for (uint32_t i = 0; i < r->chunks.count; i++) {
        bool is_current = i == r->current && r->cursor != 0;
        uintptr_t start = block_base(chunks_address(&r->chunks, i));
        uintptr_t end = chunks_address(&r->chunks, i) + CHUNK_BYTES - BLOCK_HEADER;
        if (frame->first_block >= start && frame->first_block < end)
            start = frame->first_block;
        else if ((int32_t)(r->chunks.table[i].serial - (uint32_t)(frame->token >> 32)) < 0)
            continue;
        if (r->chunks.table[i].run > 0 && !is_current)
            learned_sites += learn_in(start, end);
    }
    return learned_sites;
}

/* Whether blocks that are alive keep more than half of the capacity in use. */
static bool is_half_used(struct retained *r)
{
    uint32_t half = (capacity_in_chunks() + 1) / 2;
    if (r->chunks.used > half)
        reclaim(r);
    return r->chunks.used > half;
}

static void note_survivors(struct thread *thread, struct frame *frame)
{
    struct chunks *chunks = &thread->retained.chunks;
    struct site_stats *stats = frame->stats;
    stats->survivors += (uint64_t)frame->live;
    if (chunks->used > stats->pinned)
        stats->pinned = chunks->used;
    if (is_half_used(&thread->retained))
        stats->learned += learn_survivors(thread, frame);
    /* They are the outer scope's from now on. */
    struct frame *outer = retaining(thread, thread->depth - 1);
    if (outer) {
        outer->live += frame->live;
        outer->peak |= 1; /* see note_use */
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
    uint32_t capacity = capacity_in_chunks();
    if (LIKELY(chunks->used + chunks->warm <= capacity))
        return;
    reclaim(r);
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
    note_peak(thread, frame->stats);
    if (frame->live > 0)
        note_survivors(thread, frame);
    if (is_empty(r) && r->cursor != block_base(chunks_address(&r->chunks, r->current)))
        restart(thread);
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
    open_gate(r);
}

bool retain_trim(struct thread *thread, size_t pad)
{
    struct retained *r = &thread->retained;
    size_t kept = pad / CHUNK_BYTES;
    reclaim(r);
    uint32_t warm = r->chunks.warm;
    chunks_trim(&r->chunks, kept < CHUNKS_MAX ? (uint32_t)kept : CHUNKS_MAX);
    return r->chunks.warm < warm;
}

void retain_leave(struct thread *thread)
{
    struct retained *r = &thread->retained;
    close_gate(r);
    if (r->cursor != 0)
        count_chunk(r);
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

/*
 * Drawing in scopes that retain: the functions of fixed.outside, their fast and slow paths, and the
 * chunks that these take.
 *
 * The fast path serves what fits into the current chunk and is asked for by the module of the last
 * routed call. Where it returns NULL it has changed nothing. On it a block is counted before the
 * cursor moves over it.
 */
#include <errno.h>
#include <string.h>

#include "scope/automatic.h"
#include "engine/debug.h"
#include "engine/retain.h"
#include "engine/retain_internal.h"
#include "scope/scope.h"

/* ---- the fast path --------------------------------------------------------------------------- */

static ALWAYS_INLINE void *take(struct thread *thread, size_t size, uintptr_t caller)
{
    struct retained *r = &thread->retained;
    uintptr_t cursor = r->cursor;
    uintptr_t gate = r->limit;
    size_t total = (size + fixed.bias) & fixed.mask;
    if (UNLIKELY((ptrdiff_t)size < 0 || total > gate - cursor || gate - cursor > CHUNK_BYTES ||
                 caller - r->module_start >= r->module_size))
        return NULL;
    if (UNLIKELY(!retain_close_at(r, cursor)))
        return NULL;
    r->drawn++;
    r->bytes += size;
    *(uint64_t *)cursor = retain_make_header(caller, total);
    r->cursor = cursor + total;
    signal_fence();
    r->limit = gate;
    if (cursor + BLOCK_HEADER == 0)
        __builtin_unreachable(); /* spares the caller a test for NULL */
    return (void *)(cursor + BLOCK_HEADER);
}

/* ---- taking chunks --------------------------------------------------------------------------- */

static void count_overflow(struct thread *thread, uint32_t count)
{
    uint64_t need = ((uint64_t)thread->retained.chunks.used + count) * CHUNK_BYTES;
    thread_innermost(thread)->stats->overflows++;
    if (need > thread->need && need <= CAPACITY_MAX)
        thread->need = need;
}

size_t retain_room(const struct thread *thread)
{
    uint32_t capacity = retain_capacity();
    uint32_t used = thread->retained.chunks.used;
    return capacity > used ? (capacity - used) * CHUNK_BYTES : 0;
}

/* The first chunk of a run, or -1 when the overflow policy or the kernel refuses it. */
static int take_chunks(struct thread *thread, uint32_t count, bool *clean)
{
    struct retained *r = &thread->retained;
    struct chunks *chunks = &r->chunks;
    uint32_t capacity = retain_capacity();
    /* What others have freed is used again before memory is added. */
    if (chunks->used + count > capacity || chunks_would_grow(chunks, count))
        retain_reclaim(r);
    bool overflows = chunks->used + count > capacity;
    int index = -1;
    if (!overflows || fixed.config.overflow == OVERFLOW_GROW)
        index = chunks_take(chunks, count, (uint32_t)thread->serial, clean);
    if (overflows || index < 0)
        count_overflow(thread, count);
    uint64_t bytes = (uint64_t)chunks->used * CHUNK_BYTES;
    if (bytes > thread->high_water)
        thread->high_water = bytes;
    retain_note_peak(thread, thread_innermost(thread)->stats);
    return index;
}

static bool refill(struct thread *thread)
{
    bool clean;
    if (retain_is_empty(&thread->retained)) {
        retain_restart(thread);
        return true;
    }
    int index = take_chunks(thread, 1, &clean);
    if (index < 0)
        return false;
    if (thread->retained.cursor != 0)
        retain_store(thread->retained.cursor, 0); /* the end, for whoever walks along the headers */
    retain_use_chunk(thread, (uint32_t)index);
    return true;
}

/* ---- drawing --------------------------------------------------------------------------------- */

void retain_store(uintptr_t place, uint64_t value)
{
    if (UNLIKELY(fixed.checked))
        track_show((void *)place, sizeof value);
    *(uint64_t *)place = value;
    if (UNLIKELY(fixed.checked))
        track_hide((void *)place, sizeof value);
}

static size_t alignment_of(const struct request *request)
{
    return request->alignment > fixed.config.align ? request->alignment : fixed.config.align;
}

static void enter_checked(struct thread *thread, uintptr_t block, uint64_t header, size_t size,
                          uintptr_t end)
{
    size_t asked = size > 0 ? size : 1;
    struct header whole = retain_described(header, asked, end);
    retain_store(retain_asked_place(end), asked);
    debug_drawn((void *)block, &whole);
    track_alloc(&thread->retained, (void *)block, asked);
}

static void *draw_shared(struct thread *thread, const struct request *request)
{
    struct retained *r = &thread->retained;
    size_t alignment = alignment_of(request);
    size_t total = retain_total_size(request->size);
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
    uint64_t header = retain_make_header(request->caller, total);
    if (place > r->cursor) /* headers lead from one to the next without a break */
        retain_store(r->cursor, retain_make_header(0, place - r->cursor) | RETAIN_FREED);
    retain_store(place, header);
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
    if (alignment > RETAIN_SHARED_MAX || request->size > CHUNKS_MAX * CHUNK_BYTES)
        return NULL;
    size_t bytes = alignment + retain_total_size(request->size) + BLOCK_HEADER;
    uint32_t count = (uint32_t)((bytes + CHUNK_BYTES - 1) / CHUNK_BYTES);
    int index = take_chunks(thread, count, &clean);
    if (index < 0)
        return NULL;
    uintptr_t start = chunks_address(chunks, (uint32_t)index);
    uintptr_t block = (start + BLOCK_HEADER + alignment - 1) & ~(alignment - 1);
    uint64_t header = retain_make_header(request->caller, 0);
    chunks->table[index].drawn = 1;
    chunks->table[index].alone = (uint32_t)(block - start);
    retain_store(block - BLOCK_HEADER, header);
    count_own(thread, request->size);
    if (UNLIKELY(fixed.checked))
        enter_checked(thread, block, header, request->size,
                      start + count * CHUNK_BYTES - BLOCK_HEADER);
    if (request->zeroed && (!clean || fixed.checked))
        memset((void *)block, 0, request->size);
    return (void *)block;
}

/* ---- the slow path --------------------------------------------------------------------------- */

bool retain_is_routed(struct thread *thread, uintptr_t caller)
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
    if (!retain_is_routed(thread, request->caller))
        return BLOCK_PASS;
    retain_note_use(thread);
    if (block_is_absurd(request)) {
        errno = ENOMEM;
        return NULL;
    }
    bool shared = request->size <= RETAIN_SHARED_MAX &&
                  alignment_of(request) <= RETAIN_SHARED_MAX &&
                  retain_total_size(request->size) + alignment_of(request) <= RETAIN_SHARED_MAX;
    void *block = shared ? draw_shared(thread, request) : draw_alone(thread, request);
    return block ? block : block_refused(thread, request);
}

/* A request that is not for the fast path. */
static OUT_OF_LINE void *serve_slowly(const struct request *request)
{
    struct thread *thread = hot.thread;
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
    if (retain_is_interrupted(&thread->retained, thread->retained.limit)) {
        thread->passed.interrupted++;
        return BLOCK_PASS;
    }
    retain_close_gate(&thread->retained);
    void *block = serve(thread, request);
    retain_open_gate(&thread->retained);
    return block;
}

void *retain_serve(const struct request *request)
{
    struct thread *thread = hot.thread;
    if (LIKELY(thread && request->alignment == 0 && !request->zeroed)) {
        void *block = take(thread, request->size, request->caller);
        if (LIKELY(block != NULL))
            return block;
    }
    return serve_slowly(request);
}

/* ---- entry points ---------------------------------------------------------------------------- */

/* Outside of scopes, where none opens by itself, there is nothing to find out. */
static ALWAYS_INLINE bool is_outside(const struct thread *thread)
{
    return (!thread || thread->depth == 0) && fixed.config.scopes == SCOPES_NONE;
}

static OUT_OF_LINE void *malloc_slowly(size_t size, uintptr_t caller)
{
    struct request request = {.size = size, .caller = caller};
    void *block = serve_slowly(&request);
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
    block = is_outside(thread) ? BLOCK_PASS : serve_slowly(&request);
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

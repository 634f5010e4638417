#include "engine/request.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/probe.h"
#include "base/text.h"
#include "thread/settle.h"

/* A block of the next allocator as the request wants it. */
static void *draw_outside(const struct request *request)
{
    size_t alignment = request_alignment(request);
    if (alignment <= ALIGN_MIN)
        return request->zeroed ? fixed.next.calloc(1, request->size)
                               : fixed.next.malloc(request->size);
    void *block = fixed.next.memalign(alignment, request->size);
    if (block && request->zeroed)
        memset(block, 0, fixed.next.malloc_usable_size(block));
    return block;
}

void *block_outside(size_t size)
{
    struct request request = {.size = size};
    return draw_outside(&request);
}

static void *fall_back(struct thread *thread, const struct request *request)
{
    void *block = draw_outside(request);
    if (block) {
        thread_innermost(thread)->stats->fallbacks++;
        thread->spilled += total_bytes(request->size) + request->alignment;
    }
    return block;
}

__attribute__((noreturn)) static void abort_on_overflow(struct thread *thread,
                                                        const struct request *request, size_t room)
{
    struct text line;
    text_message(&line);
    text_str(&line, "overflow: ");
    text_uint(&line, request->size);
    text_str(&line, " bytes do not fit in the ");
    text_uint(&line, room);
    text_str(&line, " left of a capacity of ");
    text_uint(&line, fixed.config.capacity);
    text_str(&line, "; scope ");
    sites_describe(&line, (size_t)(thread_innermost(thread)->stats - thread->sites));
    text_str(&line, "; ARENASHIM_OVERFLOW=abort");
    text_end(&line);
    check_abort();
}

void overflow_count(struct thread *thread, const struct request *request, uint64_t need)
{
    settle_innermost(thread);
    struct site_stats *stats = thread_innermost(thread)->stats;
    stats->overflows++;
    PROBE(overflow, sites_at((size_t)(stats - thread->sites))->label, request->size, need);
    if (request->size > CAPACITY_MAX || request->alignment > CAPACITY_MAX)
        return; /* no capacity would do */
    if (need > thread->need && need <= CAPACITY_MAX)
        thread->need = need;
}

void *overflow_refused(struct thread *thread, const struct request *request, size_t room)
{
    if (fixed.config.overflow == OVERFLOW_ABORT)
        abort_on_overflow(thread, request, room);
    if (fixed.config.overflow != OVERFLOW_ERROR)
        return fall_back(thread, request);
    errno = ENOMEM;
    return NULL;
}

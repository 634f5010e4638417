/*
 * The allocation family as the host program sees it: every definition of malloc & co. is in this
 * file, and nothing else is. The rules of interpose.h hold.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "engine/trim.h"
#include "next/next.h"
#include "process/interpose.h"

/* ---- malloc, calloc, free, realloc ----------------------------------------------------------- */

static OUT_OF_LINE void *malloc_in_scope(size_t size, uintptr_t caller)
{
    void *block = retain_take_any(size);
    if (LIKELY(block != NULL))
        return block;
    struct request request = {.size = size, .caller = caller};
    block = block_serve(&request);
    return block == BLOCK_PASS ? fixed.next.malloc(size) : block;
}

static ALWAYS_INLINE void *malloc_any(size_t size, uintptr_t caller)
{
    void *block = take(size, caller);
    if (LIKELY(block != NULL))
        return block;
    return in_scope() ? malloc_in_scope(size, caller) : fixed.outside.malloc(size);
}

EXPORT HOT TAIL_CALLS void *malloc(size_t size)
{
    return malloc_any(size, CALLER());
}

static OUT_OF_LINE void *calloc_slowly(size_t count, size_t size, uintptr_t caller)
{
    struct request request = {.zeroed = true, .caller = caller};
    if (__builtin_mul_overflow(count, size, &request.size))
        request.size = SIZE_MAX; /* refused by whoever serves it */
    void *block = retain_take_any(request.size);
    if (LIKELY(block != NULL))
        return retain_zero(block);
    block = block_serve(&request);
    return block == BLOCK_PASS ? fixed.next.calloc(count, size) : block;
}

static OUT_OF_LINE HOT void *calloc_in_scope(size_t count, size_t size, uintptr_t caller)
{
    size_t bytes;
    if (LIKELY(!__builtin_mul_overflow(count, size, &bytes) && (ptrdiff_t)bytes >= 0)) {
        void *block = retain_take(total_bytes(bytes), bytes);
        if (LIKELY(block != NULL))
            return retain_zero(block);
    }
    return calloc_slowly(count, size, caller);
}

EXPORT HOT TAIL_CALLS void *calloc(size_t count, size_t size)
{
    uintptr_t caller = CALLER();
    size_t bytes, total;
    if (LIKELY(!__builtin_mul_overflow(count, size, &bytes) && (ptrdiff_t)bytes >= 0)) {
        void *block = drop_take(bytes, &total, caller);
        if (LIKELY(block != NULL))
            return drop_zero(block, total - BLOCK_HEADER);
    }
    return in_scope() ? calloc_in_scope(count, size, caller) : fixed.outside.calloc(count, size);
}

EXPORT HOT void free(void *block)
{
    free_any(block);
}

EXPORT void cfree(void *block)
{
    free_any(block);
}

EXPORT void free_sized(void *block, size_t size)
{
    (void)size;
    free_any(block);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    free_any(block);
}

/* To a size of 0, as the C library does: glibc frees the block, others make it one of nothing. */
static OUT_OF_LINE void *resize_to_nothing(void *block, uintptr_t caller)
{
#ifdef __GLIBC__
    (void)caller;
    free_any(block);
    return NULL;
#else
    return block_resize(block, 1, caller);
#endif
}

static ALWAYS_INLINE void *realloc_any(void *block, size_t size, uintptr_t caller)
{
    if (!block)
        return malloc_any(size, caller);
    if (LIKELY(!block_is_for_fast_paths(block)))
        return fixed.outside.realloc(block, size);
    if (LIKELY(drop_resize_newest(block, size, caller)))
        return block;
    return size > 0 ? block_resize(block, size, caller) : resize_to_nothing(block, caller);
}

EXPORT HOT TAIL_CALLS void *realloc(void *block, size_t size)
{
    return realloc_any(block, size, CALLER());
}

EXPORT TAIL_CALLS void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc_any(block, bytes, CALLER());
}

/* The C library's own names for two functions that take blocks: a program that defines free,
 * realloc or operator delete itself goes on by them. Blocks that are not ours are the C library's
 * here. */
static bool is_ours_by_now(void *block)
{
    if (fixed.region.start == 0)
        block_note_arrival();
    return fixed.region.start != 0 && block_is_ours(block);
}

EXPORT void __libc_free(void *block)
{
    if (is_ours_by_now(block))
        free_any(block);
    else
        next_libc_free(block);
}

EXPORT TAIL_CALLS void *__libc_realloc(void *block, size_t size)
{
    uintptr_t caller = CALLER();
    if (!is_ours_by_now(block))
        return next_libc_realloc(block, size);
    return size > 0 ? block_resize(block, size, caller) : resize_to_nothing(block, caller);
}

EXPORT size_t malloc_usable_size(void *block)
{
    return LIKELY(!block_is_for_fast_paths(block)) ? fixed.outside.malloc_usable_size(block)
                                                   : block_usable(block);
}

EXPORT int malloc_trim(size_t pad)
{
    bool trimmed = trim_arenas(pad);
    return fixed.next.malloc_trim(pad) != 0 || trimmed;
}

/* ---- aligned blocks -------------------------------------------------------------------------- */

/* glibc's memalign rounds an alignment that is not a power of two up to one, and takes 0 for the
 * default. 0 when there is no such power. */
static size_t usual_alignment(size_t alignment)
{
    if (alignment <= ALIGN_MIN)
        return ALIGN_MIN;
    if (is_power_of_two(alignment))
        return alignment;
    unsigned bits = sizeof(size_t) * 8 - (unsigned)__builtin_clzl(alignment);
    return bits < sizeof(size_t) * 8 ? (size_t)1 << bits : 0;
}

/* Returns a block, NULL with errno, or BLOCK_PASS (also out of scope). */
static OUT_OF_LINE void *aligned_in_scope(size_t alignment, size_t size, uintptr_t caller)
{
    struct request request = {.size = size, .caller = caller};
    if (!in_scope() && !fixed.outside.serve)
        return BLOCK_PASS;
    request.alignment = usual_alignment(alignment);
    /* A bad alignment is the next allocator's to refuse: it knows its own rules. */
    return request.alignment ? serve(&request) : BLOCK_PASS;
}

static ALWAYS_INLINE void *aligned_any(size_t alignment, size_t size, uintptr_t caller)
{
    if (LIKELY(is_power_of_two(alignment))) {
        void *block = drop_take_aligned(size, alignment, caller);
        if (LIKELY(block != NULL))
            return block;
    }
    return aligned_in_scope(alignment, size, caller);
}

EXPORT HOT void *memalign(size_t alignment, size_t size)
{
    void *block = aligned_any(alignment, size, CALLER());
    return block == BLOCK_PASS ? fixed.next.memalign(alignment, size) : block;
}

/* One that is no power of two has been an error since glibc 2.38: the next allocator decides. */
EXPORT HOT void *aligned_alloc(size_t alignment, size_t size)
{
    void *block =
        LIKELY(is_power_of_two(alignment)) ? aligned_any(alignment, size, CALLER()) : BLOCK_PASS;
    return block == BLOCK_PASS ? fixed.next.aligned_alloc(alignment, size) : block;
}

static OUT_OF_LINE int posix_memalign_slowly(void **result, size_t alignment, size_t size,
                                             uintptr_t caller)
{
    void *block = BLOCK_PASS;
    if (is_power_of_two(alignment) && alignment % sizeof(void *) == 0) {
        int saved_errno = errno;
        block = aligned_in_scope(alignment, size, caller);
        errno = saved_errno;
    }
    if (block == BLOCK_PASS)
        return fixed.next.posix_memalign(result, alignment, size);
    if (!block)
        return ENOMEM;
    *result = block;
    return 0;
}

EXPORT HOT int posix_memalign(void **result, size_t alignment, size_t size)
{
    uintptr_t caller = CALLER();
    if (LIKELY(is_power_of_two(alignment) && alignment % sizeof(void *) == 0)) {
        void *block = drop_take_aligned(size, alignment, caller);
        if (LIKELY(block != NULL)) {
            *result = block;
            return 0;
        }
    }
    return posix_memalign_slowly(result, alignment, size, caller);
}

EXPORT void *valloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *block = aligned_in_scope(page, size, CALLER());
    return block == BLOCK_PASS ? fixed.next.memalign(page, size) : block;
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > SIZE_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    size = round_up(size, page);
    void *block = aligned_in_scope(page, size, CALLER());
    return block == BLOCK_PASS ? fixed.next.memalign(page, size) : block;
}

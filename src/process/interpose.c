/*
 * The allocation family as the host program sees it: every definition of malloc & co. and of the
 * C++ allocation operators is in this file, and nothing else is. It is linked into libarenashim.so
 * alone.
 *
 * Rules for every function here:
 * - The fast path is inline and straight; everything else is a tail call.
 * - The caller's address is taken in the interposed function itself: it decides the routing.
 * - Pointers are judged by where they lie, never by the scope.
 * - A call that is not routed leaves errno and all arguments to the next allocator.
 * - No function of this file is called by name from here: the name may be somebody else's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "engine/block.h"
#include "engine/trim.h"
#include "next/fixed.h"
#include "next/operators.h"

/* Their prototypes are the callers' headers' business, where these have them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define EXPORT __attribute__((visibility("default")))

static ALWAYS_INLINE bool in_scope(void)
{
    return UNLIKELY(hot.cursor != 0);
}

/* A block, NULL with errno, or BLOCK_PASS. */
static ALWAYS_INLINE void *serve(const struct request *request)
{
    if (in_scope())
        return block_serve(request);
    return UNLIKELY(fixed.outside.serve != NULL) ? fixed.outside.serve(request) : BLOCK_PASS;
}

static ALWAYS_INLINE bool is_power_of_two(size_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* The fast paths of malloc in a scope. */
static ALWAYS_INLINE void *take(size_t size, uintptr_t caller)
{
    size_t total;
    if (UNLIKELY((ptrdiff_t)size < 0))
        return NULL;
    void *block = drop_take(size, &total, caller);
    if (UNLIKELY(!block) && in_scope())
        block = retain_take(total, size);
    return block;
}

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
        return memset(block, 0, request.size);
    block = block_serve(&request);
    return block == BLOCK_PASS ? fixed.next.calloc(count, size) : block;
}

static OUT_OF_LINE HOT void *calloc_in_scope(size_t count, size_t size, uintptr_t caller)
{
    size_t bytes;
    if (LIKELY(!__builtin_mul_overflow(count, size, &bytes) && (ptrdiff_t)bytes >= 0)) {
        void *block = retain_take(total_bytes(bytes), bytes);
        if (LIKELY(block != NULL))
            return memset(block, 0, bytes);
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
            return drop_zero(block, bytes);
    }
    return in_scope() ? calloc_in_scope(count, size, caller) : fixed.outside.calloc(count, size);
}

static ALWAYS_INLINE void free_any(void *block)
{
    if (LIKELY(!block_is_for_fast_paths(block)))
        fixed.outside.free(block);
    else if (UNLIKELY(!block_release(block)))
        block_free(block);
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

static OUT_OF_LINE void *free_to_null(void *block)
{
    free_any(block);
    return NULL;
}

static ALWAYS_INLINE void *realloc_any(void *block, size_t size, uintptr_t caller)
{
    if (!block)
        return malloc_any(size, caller);
    if (LIKELY(!block_is_for_fast_paths(block)))
        return fixed.outside.realloc(block, size);
    if (LIKELY(drop_resize_newest(block, size, caller)))
        return block;
    return size > 0 ? block_resize(block, size, caller) : free_to_null(block);
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

/* ---- C++ operators --------------------------------------------------------------------------- */

static bool is_nothrow(enum operator_new variant)
{
    return variant == NEW_NOTHROW || variant == NEW_ARRAY_NOTHROW ||
           variant == NEW_ALIGNED_NOTHROW || variant == NEW_ARRAY_ALIGNED_NOTHROW;
}

/* operator new outside the arena. `alignment` is 0 for the default. */
static void *new_outside(enum operator_new variant, size_t size, size_t alignment, uintptr_t second,
                         uintptr_t third)
{
    operator_new_function *replaced = fixed.operators.new_variants[variant];
    if (UNLIKELY(replaced != NULL))
        return replaced(size, second, third);
    void *block = NULL;
    if (alignment == 0)
        block = fixed.next.malloc(size);
    else if (is_power_of_two(alignment))
        block = fixed.next.memalign(alignment, size);
    if (LIKELY(block != NULL))
        return block;
    /* The runtime rounds a size up to the alignment and may find it small then. */
    if (alignment != 0 && size > PTRDIFF_MAX)
        return operators_runtime_new(variant - NEW_ALIGNED + NEW, size, third, 0);
    return operators_runtime_new(variant, size, second, third);
}

/* All of operator new but the fast path. `second` and `third` are the variant's arguments behind
 * the size. */
static OUT_OF_LINE void *new_slowly(enum operator_new variant, size_t size, size_t alignment,
                                    uintptr_t second, uintptr_t third, uintptr_t caller)
{
    struct request request = {.size = size, .alignment = alignment, .caller = caller};
    void *fresh = alignment == 0 ? retain_take_any(size) : NULL;
    if (LIKELY(fresh != NULL))
        return fresh;
    bool eligible = alignment == 0 || is_power_of_two(alignment);
    while (eligible) {
        void *block = serve(&request);
        if (block == BLOCK_PASS)
            break;
        if (block || is_nothrow(variant))
            return block;
        operators_refused();
    }
    return new_outside(variant, size, alignment, second, third);
}

/* A single object or array with the default alignment. */
static ALWAYS_INLINE void *new_any(enum operator_new variant, size_t size, uintptr_t nothrow,
                                   uintptr_t caller)
{
    void *block = take(size, caller);
    return LIKELY(block != NULL) ? block : new_slowly(variant, size, 0, nothrow, 0, caller);
}

static ALWAYS_INLINE void *new_aligned(enum operator_new variant, size_t size, size_t alignment,
                                       uintptr_t nothrow, uintptr_t caller)
{
    if (LIKELY(is_power_of_two(alignment))) {
        void *block = drop_take_aligned(size, alignment, caller);
        if (LIKELY(block != NULL))
            return block;
    }
    return new_slowly(variant, size, alignment, alignment, nothrow, caller);
}

/* The program has an operator of its own: for blocks that are not ours. */
static OUT_OF_LINE void delete_replaced(enum operator_delete variant, void *block, uintptr_t second,
                                        uintptr_t third)
{
    if (block_is_ours(block))
        free_any(block);
    else
        fixed.operators.delete_variants[variant](block, second, third);
}

static ALWAYS_INLINE void delete_any(enum operator_delete variant, void *block, uintptr_t second,
                                     uintptr_t third)
{
    if (UNLIKELY(block_is_for_fast_paths(block)) ||
        LIKELY(!fixed.operators.delete_variants[variant]))
        free_any(block);
    else
        delete_replaced(variant, block, second, third);
}

/* A single object's operator and that for arrays, each `call` with its variant. */
#define OPERATORS(result, kind, plain, array, first, parameters, call)                             \
    EXPORT result plain parameters                                                                 \
    {                                                                                              \
        const enum kind variant = (first);                                                         \
        call;                                                                                      \
    }                                                                                              \
    EXPORT result array parameters                                                                 \
    {                                                                                              \
        const enum kind variant = (first) + 1;                                                     \
        call;                                                                                      \
    }
#define OPERATORS_NEW(plain, array, first, parameters, call)                                       \
    OPERATORS(void *, operator_new, plain, array, first, parameters, return call)
#define OPERATORS_DELETE(plain, array, first, parameters, call)                                    \
    OPERATORS(void, operator_delete, plain, array, first, parameters, call)

HOT void *_Znwm(size_t size);

/* The mangled names of operator new and new[], delete and delete[], in the order of operators.h. */
OPERATORS_NEW(_Znwm, _Znam, NEW, (size_t size), new_any(variant, size, 0, CALLER()))
OPERATORS_NEW(_ZnwmRKSt9nothrow_t, _ZnamRKSt9nothrow_t, NEW_NOTHROW,
              (size_t size, uintptr_t nothrow), new_any(variant, size, nothrow, CALLER()))
OPERATORS_NEW(_ZnwmSt11align_val_t, _ZnamSt11align_val_t, NEW_ALIGNED,
              (size_t size, size_t alignment), new_aligned(variant, size, alignment, 0, CALLER()))
OPERATORS_NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, _ZnamSt11align_val_tRKSt9nothrow_t,
              NEW_ALIGNED_NOTHROW, (size_t size, size_t alignment, uintptr_t nothrow),
              new_aligned(variant, size, alignment, nothrow, CALLER()))
OPERATORS_DELETE(_ZdlPv, _ZdaPv, DELETE, (void *block), delete_any(variant, block, 0, 0))
OPERATORS_DELETE(_ZdlPvm, _ZdaPvm, DELETE_SIZED, (void *block, uintptr_t second),
                 delete_any(variant, block, second, 0))
OPERATORS_DELETE(_ZdlPvRKSt9nothrow_t, _ZdaPvRKSt9nothrow_t, DELETE_NOTHROW,
                 (void *block, uintptr_t second), delete_any(variant, block, second, 0))
OPERATORS_DELETE(_ZdlPvSt11align_val_t, _ZdaPvSt11align_val_t, DELETE_ALIGNED,
                 (void *block, uintptr_t second), delete_any(variant, block, second, 0))
OPERATORS_DELETE(_ZdlPvmSt11align_val_t, _ZdaPvmSt11align_val_t, DELETE_SIZED_ALIGNED,
                 (void *block, uintptr_t second, uintptr_t third),
                 delete_any(variant, block, second, third))
OPERATORS_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, _ZdaPvSt11align_val_tRKSt9nothrow_t,
                 DELETE_ALIGNED_NOTHROW, (void *block, uintptr_t second, uintptr_t third),
                 delete_any(variant, block, second, third))

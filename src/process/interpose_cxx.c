/*
 * The C++ allocation operators, all variants. The rules of interpose.h hold.
 *
 * A program may replace some of them, and the others must come to these as the C++ runtime's own
 * would: see next/operators.h.
 */
#include "next/next.h"
#include "next/operators.h"
#include "process/interpose.h"

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

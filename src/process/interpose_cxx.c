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
    if (UNLIKELY(!fixed.operators.resolved) && next_is_relocated())
        operators_resolve(&fixed.operators);
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

/* No room in a scope, for a nothrow form: the runtime's own calls the throwing one, and catches
 * what the program's new_handler throws. That comes back here, as a call of the same caller. */
static COLD void *new_nothrow(enum operator_new variant, size_t size, uintptr_t second,
                              uintptr_t third, uintptr_t caller)
{
    struct thread *thread = hot.thread;
    if (!thread || !operators_have_handler())
        return NULL;
    thread->new_caller = caller;
    void *block = operators_runtime_new(variant, size, second, third);
    thread->new_caller = 0;
    return block;
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
    if (UNLIKELY(hot.thread && hot.thread->new_caller != 0)) {
        request.caller = hot.thread->new_caller;
        hot.thread->new_caller = 0;
    }
    while (eligible) {
        void *block = serve(&request);
        if (block == BLOCK_PASS)
            break;
        if (block)
            return block;
        if (is_nothrow(variant))
            return new_nothrow(variant, size, second, third, caller);
        operators_refused();
    }
    return new_outside(variant, size, alignment, second, third);
}

/* A form that comes to an operator in front of the shim, or before it is known whether it does. */
static OUT_OF_LINE void *new_in_front(enum operator_new variant, size_t size, size_t alignment,
                                      uintptr_t second, uintptr_t third, uintptr_t caller)
{
    if (!fixed.operators.resolved && next_is_relocated())
        operators_resolve(&fixed.operators);
    operator_new_function *other = fixed.operators.new_variants[variant];
    return other && (fixed.operators.news_in_front & 1U << variant)
               ? other(size, second, third)
               : new_slowly(variant, size, alignment, second, third, caller);
}

/* NEW and NEW_ALIGNED come to no other. */
static ALWAYS_INLINE bool is_in_front(enum operator_new variant)
{
    return variant != NEW && variant != NEW_ALIGNED &&
           UNLIKELY(fixed.operators.news_in_front & 1U << variant);
}

/* A single object or array with the default alignment. */
static ALWAYS_INLINE void *new_any(enum operator_new variant, size_t size, uintptr_t nothrow,
                                   uintptr_t caller)
{
    if (is_in_front(variant))
        return new_in_front(variant, size, 0, nothrow, 0, caller);
    void *block = take(size, caller);
    return LIKELY(block != NULL) ? block : new_slowly(variant, size, 0, nothrow, 0, caller);
}

static ALWAYS_INLINE void *new_aligned(enum operator_new variant, size_t size, size_t alignment,
                                       uintptr_t nothrow, uintptr_t caller)
{
    if (is_in_front(variant))
        return new_in_front(variant, size, alignment, alignment, nothrow, caller);
    if (LIKELY(is_power_of_two(alignment))) {
        void *block = drop_take_aligned(size, alignment, caller);
        if (LIKELY(block != NULL))
            return block;
    }
    return new_slowly(variant, size, alignment, alignment, nothrow, caller);
}

/* Somebody else has an operator for it. In front of the shim that speaks for all blocks, also those
 * that lie in an arena because it drew them by malloc; behind it for those that are not ours. */
static OUT_OF_LINE void delete_replaced(enum operator_delete variant, void *block, uintptr_t second,
                                        uintptr_t third)
{
    if (block_is_ours(block) && !fixed.operators.deletes_in_front)
        free_any(block);
    else
        fixed.operators.delete_variants[variant](block, second, third);
}

/* Not for the fast path: where every block seems to be, which is so before start, for one of those
 * operators perhaps. */
static OUT_OF_LINE void delete_slowly(enum operator_delete variant, void *block, uintptr_t second,
                                      uintptr_t third)
{
    if (UNLIKELY(fixed.region.start == 0) && next_is_relocated()) {
        operators_resolve(&fixed.operators);
        if (fixed.operators.delete_variants[variant]) {
            fixed.operators.delete_variants[variant](block, second, third);
            return;
        }
    }
    block_free(block);
}

static ALWAYS_INLINE void delete_any(enum operator_delete variant, void *block, uintptr_t second,
                                     uintptr_t third)
{
    if (UNLIKELY((uintptr_t)block - fixed.deleted.start < fixed.deleted.size)) {
        if (UNLIKELY(!block_release(block)))
            delete_slowly(variant, block, second, third);
    } else if (LIKELY(!fixed.operators.delete_variants[variant])) {
        fixed.outside.free(block);
    } else {
        delete_replaced(variant, block, second, third);
    }
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

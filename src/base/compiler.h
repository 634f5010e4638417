/*
 * Compiler vocabulary: branch hints, placement of cold code, signal fences, the caller's address.
 * GCC and clang.
 */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* The items of an array. */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A hot path: begins a cache line, so that the processor fetches it in as few pieces as there are,
 * and lies in one page, if it is no longer than 256 bytes. A routed malloc takes 9 % less time for
 * the one, and 5 % for the other where its way out came to lie behind the end of a page. */
#define HOT __attribute__((aligned(256)))

/* A function whose return address those that it goes on to look at: what counts lines or arcs would
 * count behind the call, which then were no tail call. */
#define TAIL_CALLS __attribute__((no_profile_instrument_function))

/* A variable of this library's own. Its address stands in no table that the dynamic linker has yet
 * to fill when the first calls come, nor is it looked up there later. */
#define HIDDEN __attribute__((visibility("hidden")))

/* Out of line: a slow path that may well run often. */
#define OUT_OF_LINE __attribute__((noinline))

/* Out of line, away from the hot code and small: a path that hardly ever runs. */
#define COLD __attribute__((noinline, cold))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* The address that the current function returns to; it lies in the module that made the call. */
#define CALLER() ((uintptr_t)__builtin_extract_return_addr(__builtin_return_address(0)))

/* Orders memory accesses as a signal handler of the same thread sees them. No instruction. Not
 * __atomic_signal_fence, past which clang 14 moves plain loads. */
static ALWAYS_INLINE void signal_fence(void)
{
    __asm__ volatile("" : : : "memory");
}

/* Clears that many words, by general registers alone: memset, which the compiler makes of such
 * loops, may overwrite vector registers that hold the result of a wrapped call. */
static inline void clear_words(uintptr_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = 0;
        signal_fence();
    }
}

/* THREAD_SANITIZED: ThreadSanitizer compiles this. SANITIZED: it does, or AddressSanitizer. */
#ifdef __has_feature
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define THREAD_SANITIZED 1
#else
#define THREAD_SANITIZED 0
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer) || THREAD_SANITIZED
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Whether a signal handler can come between the instructions of `count++`, which then stores what
 * it has read before: x86-64 has one for all of it, which sanitizers take apart. */
#if defined(__x86_64__) && !SANITIZED
#define COUNTS_SPLIT false
#else
#define COUNTS_SPLIT true
#endif

/* Adds to a count, of which no handler finds a part done. */
static ALWAYS_INLINE void signal_add(uint64_t *count, uint64_t number)
{
    if (COUNTS_SPLIT)
        __atomic_fetch_add(count, number, __ATOMIC_RELAXED);
    else
        *count += number;
}

/* Exchanges `old` for `new`; false when something else is there. Atomic as a signal handler of the
 * same thread sees it, and no more. */
static ALWAYS_INLINE bool signal_exchange(uintptr_t *place, uintptr_t old, uintptr_t new)
{
#ifdef __x86_64__
    bool done;
    __asm__ volatile("cmpxchgq %3, %1"
                     : "=@ccz"(done), "+m"(*place), "+a"(old)
                     : "r"(new)
                     : "memory");
    return done;
#else
    return __atomic_compare_exchange_n(place, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
#endif
}

#endif

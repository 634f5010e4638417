/*
 * What the shim tells a memory checker and a race detector. One vocabulary; it speaks to Valgrind
 * (memcheck, helgrind, drd) and to the sanitizers of a host program that leave the shim in the path
 * (thread, leak). Without Valgrind's headers at build time the former is empty and track_active()
 * and track_emulated() are false; without a sanitizer in the process the latter is. A tool ignores
 * what is meant for another.
 *
 * Memory checkers. A pool is named by any address that is its own. Memory of a pool is inaccessible
 * to the program except in blocks between track_alloc and track_free or track_trim; the checker
 * records the call stacks of both.
 *
 * Race detectors. They follow locks and thread starts but no atomic instruction, so they take the
 * shim's tables for races, and a new owner of recycled memory for a rival of the old one.
 */
#ifndef BASE_TRACK_H
#define BASE_TRACK_H

#include <stdbool.h>
#include <stddef.h>

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
/* Two headers of the same macros, of which none is used here. */
#include <valgrind/drd.h>
#include <valgrind/helgrind.h>
#define TRACK_SUPPRESS(start, size)                                                                \
    VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__DRD_START_SUPPRESSION, (start), (size), 0, 0, 0)
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MEMPOOL_EXISTS(pool) ((void)(pool), false)
#define VALGRIND_CREATE_MEMPOOL(pool, red_zone, zeroed) ((void)(pool), (void)(red_zone))
#define VALGRIND_MEMPOOL_ALLOC(pool, block, size) ((void)(pool), (void)(block), (void)(size))
#define VALGRIND_MEMPOOL_FREE(pool, block) ((void)(pool), (void)(block))
#define VALGRIND_MEMPOOL_CHANGE(pool, from, to, size)                                              \
    ((void)(pool), (void)(from), (void)(to), (void)(size))
#define VALGRIND_MEMPOOL_TRIM(pool, start, size) ((void)(pool), (void)(start), (void)(size))
#define VALGRIND_MAKE_MEM_NOACCESS(start, size) ((void)(start), (void)(size))
#define VALGRIND_MAKE_MEM_DEFINED(start, size) ((void)(start), (void)(size), 0)
#define VALGRIND_DISCARD_TRANSLATIONS(start, size) ((void)(start), (void)(size))
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_MALLOCLIKE_BLOCK(block, size, red_zone, zeroed)                                   \
    ((void)(block), (void)(size), (void)(red_zone), (void)(zeroed))
#define VALGRIND_HG_CLEAN_MEMORY(start, size) ((void)(start), (void)(size))
#define VALGRIND_HG_DISABLE_CHECKING(start, size) ((void)(start), (void)(size))
#define TRACK_SUPPRESS(start, size) ((void)(start), (void)(size))
#endif

/* Of a sanitizer's runtime, where the process has one. */
#define TRACK_RUNTIME extern __attribute__((weak, visibility("default")))
TRACK_RUNTIME void __tsan_acquire(void *place);
TRACK_RUNTIME void __tsan_release(void *place);
TRACK_RUNTIME void __lsan_register_root_region(const void *start, size_t size);

/* The name of the option without which Valgrind replaces a preloaded malloc by its own. */
#define TRACK_FLAG "--soname-synonyms=somalloc=nouserintercepts"

/* True when the process runs on a synthetic CPU, whatever the tool. */
static inline bool track_emulated(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

/* True when a checker watches the memory of this process and wants to be told: memcheck, which
 * answers this request by -1, and no other tool of Valgrind's. */
static inline bool track_active(void)
{
    static const char probe[1] __attribute__((aligned(16)));
    return VALGRIND_MAKE_MEM_DEFINED(probe, sizeof probe) + 1 == 0;
}

/* True when a sanitizer's runtime has plans of its own for all addresses, and ends the process
 * where something is mapped that is not in them. */
static inline bool track_plans_addresses(void)
{
    return __tsan_acquire != NULL;
}

static inline void track_hide(const void *start, size_t size)
{
    VALGRIND_MAKE_MEM_NOACCESS(start, size);
}

/* Lets the shim itself read and write hidden memory until the next track_hide of it. */
static inline void track_show(const void *start, size_t size)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(start, size);
}

/* Between these the calling thread may look at hidden memory, which another may do at the same
 * time. */
static inline void track_look(void)
{
    VALGRIND_DISABLE_ERROR_REPORTING;
}

static inline void track_looked(void)
{
    VALGRIND_ENABLE_ERROR_REPORTING;
}

/* Every block of the pool has `red_zone` inaccessible bytes on either side. For a pool that is
 * known, nothing: memcheck ends the process when it is told of one twice, and a thread that forked
 * may have left another in the middle of making its pools. */
static inline void track_pool(const void *pool, size_t red_zone)
{
    if (!VALGRIND_MEMPOOL_EXISTS(pool))
        VALGRIND_CREATE_MEMPOOL(pool, red_zone, 0);
}

static inline void track_alloc(const void *pool, const void *block, size_t size)
{
    VALGRIND_MEMPOOL_ALLOC(pool, block, size);
}

static inline void track_free(const void *pool, const void *block)
{
    VALGRIND_MEMPOOL_FREE(pool, block);
}

static inline void track_resize(const void *pool, const void *block, size_t size)
{
    VALGRIND_MEMPOOL_CHANGE(pool, block, block, size);
}

/* Frees every block of the pool outside [start, start + size). */
static inline void track_trim(const void *pool, const void *start, size_t size)
{
    VALGRIND_MEMPOOL_TRIM(pool, start, size);
}

/* A block of no pool, which is never freed. memcheck looks for leaks only where one is alive,
 * whatever the pools hold. */
static inline void track_alone(const void *block, size_t size)
{
    VALGRIND_MALLOCLIKE_BLOCK(block, size, 0, 1);
}

/* What was done with this memory so far is unrelated to what comes: accesses from before this call
 * are no race with accesses after it. Memory that was made accessible by mprotect must be named
 * here, or helgrind does not watch it at all. */
static inline void track_renew(const void *start, size_t size)
{
    VALGRIND_HG_CLEAN_MEMORY(start, size); /* drd takes the same request */
}

/* The end of one owner of an arena, or of an entry of a table, and the beginning of the next, which
 * comes after it. For the thread sanitizer, which cannot be told that memory begins anew. */
static inline void track_hand_over(void *place)
{
    if (__tsan_release)
        __tsan_release(place);
}

static inline void track_take_over(void *place)
{
    if (__tsan_acquire)
        __tsan_acquire(place);
}

/* Pointers in this memory, as far as it is readable, keep blocks from being leaks. */
static inline void track_roots(const void *start, size_t size)
{
    if (__lsan_register_root_region)
        __lsan_register_root_region(start, size);
}

/* Code in this memory has changed; Valgrind may have translated it as it was. */
static inline void track_code(const void *start, size_t size)
{
    VALGRIND_DISCARD_TRANSLATIONS(start, size);
}

/* Memory that the shim keeps in order by rules of its own. */
static inline void track_trust(const void *start, size_t size)
{
    VALGRIND_HG_DISABLE_CHECKING(start, size);
    TRACK_SUPPRESS(start, size);
}

#endif

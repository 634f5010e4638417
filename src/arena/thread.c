/*
 * The calling thread's own arena: made at its first use, unmapped when the thread exits.
 *
 * One mapping per thread, with its bookkeeping inside:
 *
 *     | bookkeeping, one page | buffer: capacity bytes | rest of its last page | guard page |
 *
 * so that the buffer is page-aligned and an overrun past its last page faults.
 *
 * Invariants:
 * - `own` is NULL or this thread's arena, and then the thread key holds its bookkeeping.
 * - A thread makes at most one arena. Once it is released, arena_thread refuses: a second one
 *   could be made after the last destructor ran, and would never be unmapped.
 *
 * No malloc here: an arena may be asked for where malloc itself is served from arenas. What
 * threads share is the key (under a lock, once per thread) and the capacity (atomic); arena_thread
 * touches neither once the arena is made.
 *
 * Release. Destructors of other thread keys may still use the arena, in any order relative to
 * ours, so ours puts itself off to a later round. The C library runs PTHREAD_DESTRUCTOR_ITERATIONS
 * rounds and then stops, whoever is still waiting. The arena is released in the last but one round
 * of a thread that enters them with an arena, which leaves a round for an arena first made by a
 * first-round destructor. What remains: an arena first made by a destructor that had put itself
 * off to a later round may never be unmapped.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_EXTERNAL_
#include "arenashim/arena.h"

/* Of AddressSanitizer. The program that poisons may have it where this file is built without. */
extern __attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *start,
                                                                size_t size);

enum { ROUNDS_TO_RELEASE = PTHREAD_DESTRUCTOR_ITERATIONS - 1 };

struct thread_arena {
    struct arena arena;
    size_t mapped;     /* bytes in the mapping, from this bookkeeping to the guard page's end */
    pthread_key_t key; /* whose value this is */
    int rounds;        /* destructor rounds begun */
};

static size_t next_capacity = ARENA_THREAD_CAPACITY;

static __thread struct arena *own;
static __thread bool own_released;

/* Maps an empty arena of exactly `capacity` bytes. NULL when there is no address space or memory
 * for it. */
static struct thread_arena *map_arena(size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (capacity > SIZE_MAX - 3 * page) /* bookkeeping, rounding up, guard */
        return NULL;
    size_t writable = page + (capacity + page - 1) / page * page;
    size_t mapped = writable + page;

    void *memory = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (mprotect(memory, writable, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, mapped);
        return NULL;
    }

    struct thread_arena *made = memory;
    made->mapped = mapped;
    made->rounds = 0;
    arena_init(&made->arena, (unsigned char *)memory + page, capacity);
    return made;
}

static void unmap_arena(struct thread_arena *ending)
{
    /* Whoever is given these addresses next must not find the poison. */
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(ending->arena.base, ending->arena.capacity);
    munmap(ending, ending->mapped);
}

/* Destructor of the thread key; runs in the exiting thread, once per round. */
static void release_own(void *value)
{
    struct thread_arena *ending = value;

    /* Setting the value again is what asks for another round. */
    if (++ending->rounds < ROUNDS_TO_RELEASE && pthread_setspecific(ending->key, ending) == 0)
        return;
    own = NULL;
    own_released = true;
    unmap_arena(ending);
}

/* Gives the key whose destructor releases a thread's arena, made at the first call that can.
 * Returns 0 or an error number. Not pthread_once, which would never try again. */
static int get_release_key(pthread_key_t *key)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static pthread_key_t release_key;
    static bool made;

    pthread_mutex_lock(&lock);
    int error = made ? 0 : pthread_key_create(&release_key, release_own);
    made = error == 0;
    *key = release_key;
    pthread_mutex_unlock(&lock);
    return error;
}

/* Makes the calling thread's arena. NULL with errno set, and nothing kept, when it cannot. */
__attribute__((noinline)) static struct arena *make_own(void)
{
    pthread_key_t key;
    int error = own_released ? ENOMEM : get_release_key(&key);
    if (error != 0) {
        errno = error;
        return NULL;
    }

    struct thread_arena *made = map_arena(__atomic_load_n(&next_capacity, __ATOMIC_RELAXED));
    if (made == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    made->key = key;
    error = pthread_setspecific(key, made);
    if (error != 0) {
        unmap_arena(made);
        errno = error;
        return NULL;
    }
    own = &made->arena;
    return own;
}

struct arena *arena_thread(void)
{
    struct arena *arena = own;
    return __builtin_expect(arena != NULL, 1) ? arena : make_own();
}

void arena_thread_set_capacity(size_t capacity)
{
    __atomic_store_n(&next_capacity, capacity, __ATOMIC_RELAXED);
}

void arena_thread_reset(void)
{
    if (own != NULL)
        arena_reset(own);
}

double arena_thread_utilization(void)
{
    return own != NULL ? arena_utilization(own) : 0.0;
}

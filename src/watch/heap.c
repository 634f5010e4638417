#include "watch/heap.h"

#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/numbers.h"

uintptr_t heap_start_address, heap_bytes;

/* Classes are a quarter of a power of two apart, from 64 bytes on. */
#define SMALLEST_BITS 6
#define CLASSES (4 * (48 - SMALLEST_BITS))

/* Memory of larger blocks goes back to the kernel when they are freed, and so is always clean. */
#define LARGE ((size_t)64 << 10)

static struct list {
    void *first;
    bool locked;
} lists[CLASSES];
static uintptr_t used; /* addresses from the start on */

static size_t class_bytes(uint32_t class)
{
    return ((size_t)4 + class % 4) << (class / 4 + SMALLEST_BITS - 2);
}

static uint32_t class_of(size_t bytes)
{
    if (bytes <= (size_t)1 << SMALLEST_BITS)
        return 0;
    unsigned bits = 63 - (unsigned)__builtin_clzl(bytes - 1);
    size_t quarter = (bytes - 1) >> (bits - 2) & 3;
    return (uint32_t)(4 * (bits - SMALLEST_BITS) + quarter + 1);
}

bool heap_start(void)
{
    struct rlimit limit;
    size_t bytes = (size_t)1 << 42;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        while (bytes > limit.rlim_cur / 4)
            bytes /= 2;
    for (; bytes >= (size_t)1 << 24; bytes /= 2) {
        void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start == MAP_FAILED)
            continue;
        heap_start_address = (uintptr_t)start;
        heap_bytes = bytes;
        return true;
    }
    return false;
}

static void lock(struct list *list)
{
    while (__atomic_test_and_set(&list->locked, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock(struct list *list)
{
    __atomic_clear(&list->locked, __ATOMIC_RELEASE);
}

/* Fresh memory; large blocks begin with a page. */
static void *extend(size_t bytes)
{
    uintptr_t at = __atomic_load_n(&used, __ATOMIC_RELAXED), start;
    do {
        start = bytes >= LARGE ? round_up(at, (uintptr_t)4096) : at;
        if (bytes > heap_bytes - start)
            return NULL;
    } while (!__atomic_compare_exchange_n(&used, &at, start + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return (void *)(heap_start_address + start);
}

static void *pop(struct list *list)
{
    lock(list);
    void *memory = list->first;
    if (memory)
        list->first = *(void **)memory;
    unlock(list);
    return memory;
}

void *heap_take(size_t size, size_t alignment, bool *clean)
{
    size_t more = sizeof(struct note) + (alignment > 16 ? alignment : 0);
    if (size > heap_bytes || alignment > HEAP_ALIGNMENT_MOST)
        return NULL;
    uint32_t class = class_of(size + more);
    char *memory = pop(&lists[class]);
    /* The link of the list lay in what is in front of the block. */
    *clean = !memory || class_bytes(class) >= LARGE;
    if (!memory)
        memory = extend(class_bytes(class));
    if (!memory)
        return NULL;
    uintptr_t block = round_up((uintptr_t)memory + sizeof(struct note), alignment);
    *heap_note((void *)block) = (struct note){
        .size = size,
        .before = (uint32_t)(block - sizeof(struct note) - (uintptr_t)memory),
        .class = (uint16_t) class,
    };
    return (void *)block;
}

static char *memory_of(void *block)
{
    return (char *)heap_note(block) - heap_note(block)->before;
}

size_t heap_room(void *block)
{
    return (size_t)(memory_of(block) + class_bytes(heap_note(block)->class) - (char *)block);
}

void heap_give(void *block)
{
    struct list *list = &lists[heap_note(block)->class];
    size_t bytes = class_bytes(heap_note(block)->class);
    void *memory = memory_of(block);
    if (bytes >= LARGE)
        madvise(memory, bytes, MADV_DONTNEED);
    lock(list);
    *(void **)memory = list->first;
    list->first = memory;
    unlock(list);
}

void heap_lock(void)
{
    for (size_t i = 0; i < CLASSES; i++)
        lock(&lists[i]);
}

void heap_unlock(void)
{
    for (size_t i = 0; i < CLASSES; i++)
        unlock(&lists[i]);
}

#include "watch/heap.h"

#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/numbers.h"

uintptr_t heap_start_address, heap_bytes;

static uintptr_t addresses; /* from the start on, that the heap may grow to */
static size_t page;

/* What takes more has a mapping of its own, at addresses that are not used twice. */
#define LARGE ((size_t)64 << 10)

/* Classes are a quarter of a power of two apart, from 64 bytes to LARGE. */
#define SMALLEST_BITS 6
#define CLASSES (4 * (16 - SMALLEST_BITS) + 1)

static struct list {
    void *first;
    bool locked;
} lists[CLASSES];

/* Fresh memory of the others comes in pieces: each doubles it, so that the kernel's large pages
 * serve. */
#define PIECE ((size_t)256 << 10)
static uintptr_t fresh, fresh_end;
static size_t pieces;
static bool growing; /* a lock: the heap's end moves */

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

static void lock(bool *locked)
{
    while (__atomic_test_and_set(locked, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock(bool *locked)
{
    __atomic_clear(locked, __ATOMIC_RELEASE);
}

/* ---- growing --------------------------------------------------------------------------------- */

/* The heap's end moves up to that of the new mapping, and never over somebody else's. */
static bool map(uintptr_t start, size_t bytes)
{
    if (start + bytes - heap_start_address > addresses)
        return false;
    void *mapped = mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (mapped == (void *)start) {
        __atomic_store_n(&heap_bytes, start + bytes - heap_start_address, __ATOMIC_RELAXED);
        return true;
    }
    if (mapped != MAP_FAILED)
        munmap(mapped, bytes); /* an old kernel's, which takes the address for a hint */
    return false;
}

/* The program is left most of what it may have, as notes take more than the blocks may. */
static bool is_too_much(int resource, size_t bytes)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           bytes > limit.rlim_cur / 8;
}

static bool add_piece(void)
{
    uintptr_t end = heap_start_address + heap_bytes;
    size_t bytes = higher(PIECE, pieces);
    if (is_too_much(RLIMIT_AS, pieces + bytes) || is_too_much(RLIMIT_DATA, pieces + bytes) ||
        !map(end, bytes))
        return false;
    if (end != fresh_end)
        fresh = end;
    fresh_end = end + bytes;
    pieces += bytes;
    return true;
}

/* From a power of two on: from 64 TiB, where the kernel of no system begins to look for addresses,
 * or what is left of them under memcheck. */
bool heap_start(void)
{
    page = (size_t)getpagesize();
    for (int bits = 46; bits >= 36 && heap_bytes == 0; bits--) {
        heap_start_address = (uintptr_t)1 << bits;
        addresses = heap_start_address / 4;
        add_piece();
    }
    return heap_bytes != 0;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static void *note_new(uintptr_t memory, size_t bytes, uintptr_t block, size_t size, bool large)
{
    *heap_note((void *)block) = (struct note){
        .size = size,
        .bytes = bytes,
        .before = (uint32_t)(block - sizeof(struct note) - memory),
        .large = large,
    };
    return (void *)block;
}

static void *take_large(size_t size, size_t alignment)
{
    lock(&growing);
    uintptr_t end = heap_start_address + heap_bytes;
    uintptr_t block = round_up(end + sizeof(struct note), (uintptr_t)alignment);
    uintptr_t start = (block - sizeof(struct note)) / page * page;
    size_t bytes = round_up(block + higher(size, 1) - start, page);
    bool mapped = map(start, bytes);
    unlock(&growing);
    return mapped ? note_new(start, bytes, block, size, true) : NULL;
}

static void *extend(size_t bytes)
{
    void *memory = NULL;
    lock(&growing);
    if (fresh_end - fresh >= bytes || add_piece()) {
        memory = (void *)fresh;
        fresh += bytes;
    }
    unlock(&growing);
    return memory;
}

static void *pop(struct list *list)
{
    lock(&list->locked);
    void *memory = list->first;
    if (memory)
        list->first = *(void **)memory;
    unlock(&list->locked);
    return memory;
}

void *heap_take(size_t size, size_t alignment, bool *clean)
{
    size_t more = sizeof(struct note) + alignment;
    *clean = true;
    if (size > addresses || alignment > HEAP_ALIGNMENT_MOST)
        return NULL;
    if (size + more > LARGE)
        return take_large(size, alignment);
    uint32_t class = class_of(size + more);
    void *memory = pop(&lists[class]);
    /* The link of the list lay in what is in front of the block. */
    *clean = !memory;
    if (!memory)
        memory = extend(class_bytes(class));
    if (!memory)
        return NULL;
    uintptr_t block = round_up((uintptr_t)memory + sizeof(struct note), (uintptr_t)alignment);
    return note_new((uintptr_t)memory, class_bytes(class), block, size, false);
}

static char *memory_of(void *block)
{
    return (char *)heap_note(block) - heap_note(block)->before;
}

size_t heap_room(void *block)
{
    return (size_t)(memory_of(block) + heap_note(block)->bytes - (char *)block);
}

void heap_give(void *block)
{
    size_t bytes = heap_note(block)->bytes;
    void *memory = memory_of(block);
    if (heap_note(block)->large) {
        munmap(memory, bytes);
        return;
    }
    struct list *list = &lists[class_of(bytes)];
    lock(&list->locked);
    *(void **)memory = list->first;
    list->first = memory;
    unlock(&list->locked);
}

void heap_lock(void)
{
    for (size_t i = 0; i < CLASSES; i++)
        lock(&lists[i].locked);
    lock(&growing);
}

void heap_unlock(void)
{
    unlock(&growing);
    for (size_t i = 0; i < CLASSES; i++)
        unlock(&lists[i].locked);
}

#include "memory/region.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "base/page.h"
#include "base/track.h"

#define SLOT_OVERHEAD (REGION_RECORD_BYTES + 2 * page_size)

/* The C library names it since glibc 2.32; Linux before 5.7 refuses it. */
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Of 2^47 bytes of user addresses on x86-64; the host program needs its own. */
#define BYTES_MAX ((size_t)1 << 44)

/* Slots for the full limit are fewer where they are large, but not fewer than these. */
#define SLOTS_WANTED 4

/* Where addresses are chosen and not reserved: so far below what the kernel hands out, if that is
 * above what other allocators choose for themselves, else above it; and so far from the program and
 * its heap. */
#define BYTES_AWAY ((size_t)1 << 42)
#define BYTES_BESIDE ((size_t)1 << 40)
#define LOWEST ((uintptr_t)1 << 45)

/* What they begin at a multiple of: where aligned blocks come to lie in an arena, and so how much
 * fits, is the same in each run. */
#define REGION_UNIT ((uintptr_t)1 << 21)

/* Where they are reserved: Valgrind 3.19 refuses reservations of 2^36 bytes and more and slows down
 * with large ones. Such a region is divided into at least so many slots, if need be smaller ones.
 */
#define BYTES_EMULATED ((size_t)1 << 34)
#define SLOTS_RESERVED 64

/* Whether the region is one inaccessible mapping; else its parts are mapped as they are committed.
 */
static bool reserved;

static uint64_t claimed[REGION_SLOTS_MAX / 64];
static int slots_seen;

/* False when the kernel refuses, or something is there that is not the region's. */
static bool map_anew(uintptr_t start, size_t size, int flags)
{
    void *place = mmap((void *)start, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    if (place == MAP_FAILED)
        return false;
    if (place != (void *)start) { /* a kernel before 4.17 */
        munmap(place, size);
        return false;
    }
    /* Huge pages on sparse arenas would turn megabytes into gigabytes. */
    madvise(place, size, MADV_NOHUGEPAGE);
    return true;
}

static void divide(struct region *region, struct region_wish wish, size_t slots_wanted)
{
    size_t least = wish.capacity + SLOT_OVERHEAD;
    size_t span = page_down(region->size / slots_wanted);
    if (span > wish.limit + SLOT_OVERHEAD)
        span = wish.limit + SLOT_OVERHEAD;
    if (span < least)
        span = least;
    size_t slots = region->size / span;
    region->span = span - REGION_RECORD_BYTES;
    region->slots = slots < REGION_SLOTS_MAX ? (unsigned)slots : REGION_SLOTS_MAX;
}

/* ---- chosen addresses ------------------------------------------------------------------------ */

static bool lies_beside(const struct region *region, uintptr_t address)
{
    return address - (region->start - BYTES_BESIDE) < region->size + 2 * BYTES_BESIDE;
}

/* Where the kernel puts new mappings; 0 when it does not. */
static uintptr_t usual_place(void)
{
    void *place = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED)
        return 0;
    munmap(place, page_size);
    return (uintptr_t)place;
}

/* Chooses addresses that nobody uses, and reserves nothing: a reservation would count for the limit
 * that a program sets for itself later, and take memory in emulators with tables of their own. */
static bool choose(struct region *region, struct region_wish wish)
{
    uintptr_t place = usual_place();
    region->size = page_down(lower((wish.limit + SLOT_OVERHEAD) * REGION_SLOTS_MAX, BYTES_MAX));
    if (place == 0)
        return false;
    bool below = place > LOWEST + region->size + BYTES_AWAY;
    region->start =
        round_down(below ? place - BYTES_AWAY - region->size : place + BYTES_AWAY, REGION_UNIT);
    if (lies_beside(region, (uintptr_t)getauxval(AT_ENTRY)) ||
        lies_beside(region, (uintptr_t)sbrk(0)))
        return false;
    divide(region, wish, SLOTS_WANTED);
    /* Whether memory can be had there at all. */
    return map_anew(region->start, REGION_RECORD_BYTES, MAP_FIXED_NOREPLACE) &&
           munmap((void *)region->start, REGION_RECORD_BYTES) == 0;
}

/* ---- reserved addresses ---------------------------------------------------------------------- */

static size_t bytes_to_try(struct region_wish wish)
{
    size_t bytes = (wish.limit + SLOT_OVERHEAD) * REGION_SLOTS_MAX;
    if (bytes > BYTES_MAX)
        bytes = BYTES_MAX;
    if (track_emulated() && bytes > BYTES_EMULATED)
        bytes = BYTES_EMULATED;
    struct rlimit address_space;
    if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY &&
        bytes > address_space.rlim_cur / 8)
        bytes = address_space.rlim_cur / 8;
    return page_down(bytes);
}

static void *map_reserved(void *start, size_t size, int flags)
{
    void *place =
        mmap(start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    if (place != MAP_FAILED) {
        madvise(place, size, MADV_NOHUGEPAGE);
        /* Core files hold what is committed, not the reservation. */
        madvise(place, size, MADV_DONTDUMP);
    }
    return place;
}

static bool reserve(struct region *region, struct region_wish wish)
{
    size_t least = wish.capacity + SLOT_OVERHEAD;
    for (size_t bytes = bytes_to_try(wish); bytes >= least; bytes = page_down(bytes / 2)) {
        void *start = map_reserved(NULL, bytes, 0);
        if (start == MAP_FAILED)
            continue;
        *region = (struct region){.start = (uintptr_t)start, .size = bytes};
        divide(region, wish, SLOTS_RESERVED);
        return true;
    }
    *region = (struct region){0};
    return false;
}

bool region_reserve(struct region *region, struct region_wish wish)
{
    int saved_errno = errno;
    *region = (struct region){0};
    reserved = track_emulated() || track_plans_addresses() || !choose(region, wish);
    errno = 0;
    if (reserved && !reserve(region, wish))
        return false;
    errno = saved_errno;
    return true;
}

/* ---- slots ----------------------------------------------------------------------------------- */

int region_claim(const struct region *region)
{
    for (unsigned slot = 0; slot < region->slots; slot++) {
        uint64_t bit = (uint64_t)1 << slot % 64;
        uint64_t *word = &claimed[slot / 64];
        if (__atomic_load_n(word, __ATOMIC_RELAXED) & bit ||
            __atomic_fetch_or(word, bit, __ATOMIC_ACQUIRE) & bit)
            continue;
        int seen = __atomic_load_n(&slots_seen, __ATOMIC_RELAXED);
        while (seen <= (int)slot &&
               !__atomic_compare_exchange_n(&slots_seen, &seen, (int)slot + 1, false,
                                            __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            continue;
        return (int)slot;
    }
    return -1;
}

void region_release(int slot)
{
    __atomic_fetch_and(&claimed[slot / 64], ~((uint64_t)1 << slot % 64), __ATOMIC_RELEASE);
}

void region_forget_slot(const struct region *region, int slot)
{
    uintptr_t record = region_record(region, slot);
    region_uncommit(record, record + REGION_RECORD_BYTES);
    region_release(slot);
}

bool region_is_claimed(int slot)
{
    return __atomic_load_n(&claimed[slot / 64], __ATOMIC_ACQUIRE) >> slot % 64 & 1;
}

int region_slots_seen(void)
{
    return __atomic_load_n(&slots_seen, __ATOMIC_ACQUIRE);
}

/* Where the guard before the first slot's memory lies. */
static uintptr_t memories(const struct region *region)
{
    return region->start + region->slots * REGION_RECORD_BYTES;
}

int region_slot_of(const struct region *region, uintptr_t address)
{
    return address < memories(region) ? -1 : (int)((address - memories(region)) / region->span);
}

uintptr_t region_record(const struct region *region, int slot)
{
    return region->start + (size_t)slot * REGION_RECORD_BYTES;
}

uintptr_t region_memory(const struct region *region, int slot)
{
    return memories(region) + (size_t)slot * region->span + page_size;
}

uintptr_t region_memory_end(const struct region *region, int slot)
{
    return memories(region) + (size_t)(slot + 1) * region->span - page_size;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool permit(uintptr_t start, uintptr_t end)
{
    bool done = mprotect((void *)start, end - start, PROT_READ | PROT_WRITE) == 0;
    if (done)
        madvise((void *)start, end - start, MADV_DODUMP);
    return done;
}

bool region_commit(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    bool done = reserved ? permit(start, end) : map_anew(start, end - start, MAP_FIXED_NOREPLACE);
    if (done) {
        track_hide((void *)start, end - start);
        track_renew((void *)start, end - start);
    }
    errno = saved_errno;
    return done;
}

bool region_uncommit(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    bool done = reserved ? map_reserved((void *)start, end - start, MAP_FIXED) != MAP_FAILED
                         : munmap((void *)start, end - start) == 0;
    errno = saved_errno;
    return done;
}

bool region_grow(uintptr_t *committed, uintptr_t *begun, uintptr_t end)
{
    if (end <= *committed)
        return true;
    if (*begun > *committed)
        region_uncommit(*committed, *begun);
    *begun = end;
    signal_fence();
    bool done = region_commit(*committed, end);
    signal_fence();
    if (done)
        *committed = end;
    *begun = *committed;
    return done;
}

bool region_discard(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    bool done = madvise((void *)start, end - start, MADV_DONTNEED) == 0;
    errno = saved_errno;
    return done;
}

/* How much of [start, start + size), from its start on, is one mapping: the kernel moves no more at
 * once. Asked to make that longer, it does, where nothing is behind, or says that it cannot, and of
 * several mappings that they are. 0 when it says neither. */
static size_t mapping_length(uintptr_t start, size_t size)
{
    size_t most = size,
           least = 0; /* what is one is no less than the one, and less than the other */
    for (size_t length = size; length > least;) {
        if (mremap((void *)start, length, length + page_size, 0) != MAP_FAILED) {
            munmap((void *)(start + length), page_size);
            return length;
        }
        if (errno == ENOMEM)
            least = length;
        else if (errno == EFAULT)
            most = length;
        else
            return 0;
        length = page_down(least + (most - least) / 2);
    }
    return least;
}

/* What is moved stays a mapping of its own, or several, until it is renewed. A process has 65,530
 * in all. */
#define MOVED_MAX 1024
#define MAPPINGS_MAX 16

static int moved;

size_t region_move(uintptr_t from, uintptr_t to, size_t size)
{
    int saved_errno = errno;
    size_t done = 0, whole = page_down(size);
    bool may = page_down(from | to) == (from | to) &&
               __atomic_load_n(&moved, __ATOMIC_RELAXED) < MOVED_MAX;
    for (int mappings = 0; may && done < whole && mappings < MAPPINGS_MAX; mappings++) {
        size_t length = mapping_length(from + done, whole - done);
        if (length == 0)
            break;
        if (mremap((void *)(from + done), length, length,
                   MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
                   (void *)(to + done)) == MAP_FAILED) {
            /* Memory that is locked may be refused so late that the target is unmapped. */
            map_anew(to + done, length, MAP_FIXED_NOREPLACE);
            break;
        }
        done += length;
    }
    if (done > 0)
        __atomic_fetch_add(&moved, 1, __ATOMIC_RELAXED);
    if (done > 0 && done < size)
        memcpy((void *)(to + done), (void *)(from + done), size - done);
    errno = saved_errno;
    return done;
}

void region_forget_move(void)
{
    __atomic_fetch_sub(&moved, 1, __ATOMIC_RELAXED);
}

bool region_renew(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    bool done = map_anew(start, end - start, MAP_FIXED);
    errno = saved_errno;
    return done;
}

bool region_replace(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    bool done = map_anew(start, end - start, MAP_FIXED);
    errno = saved_errno;
    return done;
}

void region_forbid(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    mprotect((void *)start, end - start, PROT_NONE);
    madvise((void *)start, end - start, MADV_DONTDUMP);
    errno = saved_errno;
}

void region_permit(uintptr_t start, uintptr_t end)
{
    int saved_errno = errno;
    permit(start, end);
    errno = saved_errno;
}

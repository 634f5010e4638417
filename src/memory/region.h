/*
 * The region: a range of addresses in which all arenas lie, so that "is this pointer ours?" is one
 * range check. Nothing is mapped there until parts are committed: the range lies far from where the
 * kernel puts mappings of its own choice. Where such a range cannot be had it is one inaccessible
 * mapping.
 *
 * It is divided into slots, one per thread that has an arena; each is a record and memory:
 *
 *     | record 0 | record 1 | ... | guard page | memory 0 ... up to the limit | guard page | ...
 *
 * The record holds the shim's own state of the thread, away from the program's stray writes.
 * Records lie side by side, so that they are one mapping: a fork copies what there are. Nothing
 * here allocates or locks; slots are claimed and released by one atomic instruction.
 */
#ifndef SHIM_REGION_H
#define SHIM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a slot's record: whole pages on any system. */
#define REGION_RECORD_BYTES ((size_t)192 << 10)

#define REGION_SLOTS_MAX 1024

struct region {
    uintptr_t start; /* 0 when there is none */
    size_t size;     /* bytes; 0 when there is none */
    size_t span;     /* bytes from one slot's memory to the next's */
    unsigned slots;
};

/*
 * The region before start: every pointer seems to lie in it, so that free, realloc and
 * malloc_usable_size take their slow paths. These tell it by its start of 0, and know better than
 * the fast paths what is safe to call that early (next.h).
 */
#define REGION_UNSETTLED                                                                           \
    {                                                                                              \
        .start = 0, .size = SIZE_MAX                                                               \
    }

/* The two sizes, each a multiple of the page size, that a slot is made for. */
struct region_wish {
    size_t capacity; /* a slot's memory is never smaller */
    size_t limit;    /* nor larger */
};

/* Chooses or reserves addresses, as many as the wish needs for REGION_SLOTS_MAX slots or fewer. Of
 * a reservation at most 1/8 of what RLIMIT_AS leaves; half of it whenever the kernel refuses.
 * False, with *region all 0, when not even one slot can be had; errno says why: 0 for that
 * limit. */
bool region_reserve(struct region *region, struct region_wish wish);

/* Claims a free slot; -1 when there is none. The same slots are handed out again and again, lowest
 * first, and region_slots_seen() is one more than the highest index ever claimed. */
int region_claim(const struct region *region);
void region_release(int slot);

/* The same in a fork child, of a slot whose record was being made. */
void region_forget_slot(const struct region *region, int slot);
bool region_is_claimed(int slot);
int region_slots_seen(void);

/* The slot whose memory, or guard, an address of the region lies in; -1: it lies in a record. */
int region_slot_of(const struct region *region, uintptr_t address);

/* Address of a slot's record, first byte of its memory, and first byte past its memory. */
uintptr_t region_record(const struct region *region, int slot);
uintptr_t region_memory(const struct region *region, int slot);
uintptr_t region_memory_end(const struct region *region, int slot);

/* Maps [start, end), which is not committed, readable and writable, and tells a checker that no
 * block is in it and that nobody has used it. False when the kernel refuses. Page-aligned. */
bool region_commit(uintptr_t start, uintptr_t end);

/* Commits from *committed up to `end`, and moves *committed there. A signal handler may jump out at
 * any time: the next call, with the same *begun, commits anew what such a one has left. */
bool region_grow(uintptr_t *committed, uintptr_t *begun, uintptr_t end);

/* Takes that back. False, and nothing has changed, when the kernel refuses. */
bool region_uncommit(uintptr_t start, uintptr_t end);

/* Gives the pages of [start, end) back to the kernel; they read as zeroes afterwards, or are
 * unchanged when the kernel refuses (locked memory) and false is returned. Page-aligned. */
bool region_discard(uintptr_t start, uintptr_t end);

/* Moves the pages of [from, from + size) to `to`, where the contents are lost, and copies what the
 * kernel does not move, the rest of the last page among it. Returns bytes moved, where zeroes are
 * left; 0: nothing was done, as where one of the addresses is not page-aligned. */
size_t region_move(uintptr_t from, uintptr_t to, size_t size);

/* What one region_move has filled is used no more: there may be so many of them. */
void region_forget_move(void);

/* Gives the pages of [start, end), some of which region_move has filled, back to the kernel, and
 * makes them one mapping with their neighbours. False when the kernel refuses. Page-aligned. */
bool region_renew(uintptr_t start, uintptr_t end);

/* Gives committed memory back with the kernel's own tables of it: zeroes are left. False, and it is
 * unchanged, when the kernel refuses. */
bool region_replace(uintptr_t start, uintptr_t end);

/* Makes committed memory inaccessible, and takes it out of core files; and the reverse.
 * Page-aligned. */
void region_forbid(uintptr_t start, uintptr_t end);
void region_permit(uintptr_t start, uintptr_t end);

#endif

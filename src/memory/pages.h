/*
 * Runs of pages: the memory of scopes that retain (engine/retain.h). A thread's pages lie in one
 * stretch of its slot; a table in front of them, out of reach of the program's stray writes, says
 * where runs begin and end.
 *
 *     | table | dirty bits | page 0 | page 1 | ... up to the limit |
 *
 * Pages [0, count) are divided into runs, each in use or free; free neighbours are one run at once.
 * Behind them nothing has ever been used. Free runs are listed by length; of one length the last
 * freed comes first. A search looks at a few of a list, so that it takes the same time however many
 * there are.
 *
 * Nothing here is for more than one thread at a time.
 */
#ifndef MEMORY_PAGES_H
#define MEMORY_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)4096)

/* Of one thread: a bin for each length up to 15, then two for each power of two. */
#define PAGES_MAX (((uint32_t)1 << 28) - 1)
#define PAGES_BINS 64

/* Of the memory: the table, the dirty bits, the pages. */
#define PAGES_PARTS 3

/* No run. */
#define PAGES_NONE UINT32_MAX

enum pages_kind {
    PAGES_FREE,
    PAGES_SHARED, /* blocks lie one behind the other */
    PAGES_LARGE,  /* one block */
    PAGES_MOVED,  /* one block, which has been moved there with its pages */
};

/* At the first page of a run, and length and kind at its last, too; inside of it nothing counts. */
struct page {
    uint32_t length; /* pages of the run */
    uint32_t kind;
    uint32_t next; /* of a free run: its neighbours in the list, PAGES_NONE at the ends */
    uint32_t previous;
};

struct pages {
    struct page *table;
    uint64_t *dirty; /* a bit for each page: set when it may hold anything but zeroes; of pages in
                      * use, when they may have when they were taken */
    uintptr_t start; /* of page 0 */
    uint32_t room;   /* pages that there are addresses for */
    uint32_t count;  /* pages in runs */
    uint32_t committed; /* pages that are readable and writable, with their part of the table */
    uintptr_t end;      /* of these */
    uintptr_t mapped[PAGES_PARTS]; /* ends of table, bits and pages as far as they are committed */
    uintptr_t begun[PAGES_PARTS];  /* see region_grow */
    uint32_t used;                 /* pages in runs in use */
    uint32_t warm;                 /* dirty pages in free runs */
    uint32_t kept;                 /* warm pages that stay warm when memory grows elsewhere */
    uint64_t bins;                 /* bit set: there is a free run in the bin */
    uint32_t first[PAGES_BINS];
};

/* Bytes of addresses for so many bytes of pages, table included. */
size_t pages_span(size_t bytes);

/* Divides [start, end), page-aligned, whose pages are inaccessible. */
void pages_init(struct pages *pages, uintptr_t start, uintptr_t end);

/* Takes a run of `count` > 0 pages. Returns its first, or PAGES_NONE when there is no room or the
 * kernel refuses. */
uint32_t pages_take(struct pages *pages, uint32_t count, enum pages_kind kind);

/* True when that takes no memory that has never been used. */
bool pages_has(const struct pages *pages, uint32_t count);

/* Gives the run that begins at `first` back; `clean` says that it holds only zeroes. */
void pages_free(struct pages *pages, uint32_t first, bool clean);

/* Makes a run in use longer, at its end, or shorter. False when there is no room behind it. */
bool pages_extend(struct pages *pages, uint32_t first, uint32_t count);
void pages_shorten(struct pages *pages, uint32_t first, uint32_t count);

/* Gives the first `count` pages of a run in use back; the rest is a run of the same kind. */
void pages_cut(struct pages *pages, uint32_t first, uint32_t count);

/* All runs become one that is free. */
void pages_reset(struct pages *pages);

/* Makes lists and counts anew from the table, which is sound at any instant: what changed it may
 * have been left in the middle. */
void pages_recover(struct pages *pages);

/* Gives the memory of free runs back to the kernel until `kept` warm pages are left, from the end
 * on. True when it took some. */
bool pages_trim(struct pages *pages, uint32_t kept);

/* Zeroes [start, start + size), in a run that has just been taken, but for what is zero. */
void pages_zero(const struct pages *pages, uintptr_t start, size_t size);

static inline uintptr_t pages_address(const struct pages *pages, uint32_t index)
{
    return pages->start + (uintptr_t)index * PAGE_BYTES;
}

static inline uint32_t pages_index(const struct pages *pages, uintptr_t address)
{
    return (uint32_t)((address - pages->start) / PAGE_BYTES);
}

/* The end of the run of one block that begins at that page; 0 when none does. */
uintptr_t pages_run_end(const struct pages *pages, uint32_t first);

/* The run, which has just been taken, has been filled by region_move. */
void pages_note_moved(struct pages *pages, uint32_t first);

/* True when the address lies in pages that are or were in use; any thread. */
static inline bool pages_hold(const struct pages *pages, uintptr_t address)
{
    return address - pages->start < (uintptr_t)pages->count * PAGE_BYTES;
}

/* Pages that `bytes` take. */
static inline uint32_t pages_for(size_t bytes)
{
    return (uint32_t)((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

#endif

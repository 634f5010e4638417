#include "memory/pages.h"

#include <string.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/compiler.h"
#include "base/numbers.h"
#include "base/page.h"
#include "base/probe.h"
#include "base/track.h"
#include "memory/region.h"

/* Pages made accessible at once, at least: each step is a system call. */
#define STEP_PAGES 64

/* Free memory is given up for fresh memory in pieces of this many pages at least. */
#define TRADED_PAGES 16

/* Free runs that a search looks at. */
#define LOOKS 64

static size_t table_bytes(size_t room)
{
    return page_up(room * sizeof(struct page));
}

static size_t dirty_bytes(size_t room)
{
    return page_up((room + 63) / 64 * sizeof(uint64_t));
}

size_t pages_span(size_t bytes)
{
    size_t room = pages_for(bytes);
    return table_bytes(room) + dirty_bytes(room) + room * PAGE_BYTES;
}

void pages_init(struct pages *pages, uintptr_t start, uintptr_t end)
{
    size_t room = (end - start) / (PAGE_BYTES + sizeof(struct page));
    if (room > PAGES_MAX)
        room = PAGES_MAX;
    while (room > 0 && pages_span(room * PAGE_BYTES) > end - start)
        room--;
    pages->table = (struct page *)start;
    pages->dirty = (uint64_t *)(start + table_bytes(room));
    pages->start = (uintptr_t)pages->dirty + dirty_bytes(room);
    pages->end = pages->start;
    pages->mapped[0] = start;
    pages->mapped[1] = (uintptr_t)pages->dirty;
    pages->mapped[2] = pages->start;
    pages->room = (uint32_t)room;
    for (size_t i = 0; i < PAGES_BINS; i++)
        pages->first[i] = PAGES_NONE;
}

void pages_zero(const struct pages *pages, uintptr_t start, size_t size)
{
    uintptr_t end = start + size;
    while (start < end) {
        uint32_t page = pages_index(pages, start);
        uintptr_t next = pages_address(pages, page + 1);
        if (next > end)
            next = end;
        if (bits_has(pages->dirty, page))
            memset((void *)start, 0, next - start);
        start = next;
    }
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* The first page's entry last: from one to the next leads, at any instant, the table as it was or
 * as it will be; and what is in use is never longer than it is. */
static void set_run(struct pages *pages, uint32_t first, uint32_t length, enum pages_kind kind)
{
    volatile struct page *begin = &pages->table[first], *last = begin + length - 1;
    last->length = length, last->kind = kind;
    if (kind == PAGES_FREE)
        begin->kind = kind;
    begin->length = length, begin->kind = kind;
}

/* The bin of free runs of that length; bins are in the order of lengths. */
static unsigned bin_of(uint32_t length)
{
    if (length < 16)
        return length;
    unsigned bits = 31 - (unsigned)__builtin_clz(length);
    return 16 + 2 * (bits - 4) + (length >> (bits - 1) & 1);
}

static void list(struct pages *pages, uint32_t first)
{
    struct page *run = &pages->table[first];
    unsigned bin = bin_of(run->length);
    run->previous = PAGES_NONE;
    run->next = pages->first[bin];
    if (run->next != PAGES_NONE)
        pages->table[run->next].previous = first;
    pages->first[bin] = first;
    pages->bins |= (uint64_t)1 << bin;
}

static void unlist(struct pages *pages, uint32_t first)
{
    struct page *run = &pages->table[first];
    unsigned bin = bin_of(run->length);
    if (run->next != PAGES_NONE)
        pages->table[run->next].previous = run->previous;
    if (run->previous != PAGES_NONE)
        pages->table[run->previous].next = run->next;
    else
        pages->first[bin] = run->next;
    if (pages->first[bin] == PAGES_NONE)
        pages->bins &= ~((uint64_t)1 << bin);
}

/* Makes [first, first + length) free, one run with its free neighbours. */
static void release(struct pages *pages, uint32_t first, uint32_t length)
{
    uint32_t end = first + length;
    if (first > 0 && pages->table[first - 1].kind == PAGES_FREE) {
        first -= pages->table[first - 1].length;
        unlist(pages, first);
    }
    if (end < pages->count && pages->table[end].kind == PAGES_FREE) {
        unlist(pages, end);
        end += pages->table[end].length;
    }
    set_run(pages, first, end - first, PAGES_FREE);
    list(pages, first);
}

/* A free run that is long enough, of those that are the shortest; PAGES_NONE when there is none. */
static uint32_t find(const struct pages *pages, uint32_t count)
{
    if (count > pages->room)
        return PAGES_NONE;
    unsigned bin = bin_of(count);
    unsigned looks = LOOKS;
    for (uint32_t run = pages->first[bin]; run != PAGES_NONE && looks > 0; looks--) {
        if (pages->table[run].length >= count)
            return run;
        run = pages->table[run].next;
    }
    uint64_t longer = pages->bins & (UINT64_MAX << bin << 1);
    return longer ? pages->first[__builtin_ctzll(longer)] : PAGES_NONE;
}

bool pages_has(const struct pages *pages, uint32_t count)
{
    return find(pages, count) != PAGES_NONE;
}

static bool commit(struct pages *pages, uint32_t count)
{
    const uintptr_t ends[PAGES_PARTS] = {
        page_up((uintptr_t)&pages->table[count]),
        page_up((uintptr_t)pages->dirty + (count + 63) / 64 * sizeof(uint64_t)),
        page_up(pages_address(pages, count))};
    for (size_t i = 0; i < PAGES_PARTS; i++) {
        uintptr_t start = pages->mapped[i];
        if (!region_grow(&pages->mapped[i], &pages->begun[i], ends[i]))
            return false;
        if (i < PAGES_PARTS - 1) { /* the table, the bits */
            track_show((void *)start, pages->mapped[i] - start);
            track_trust((void *)start, pages->mapped[i] - start);
        }
    }
    pages->committed = count;
    pages->end = pages_address(pages, count);
    return true;
}

/* Makes a free run of `count` pages at the end. Returns its first. */
static uint32_t grow(struct pages *pages, uint32_t count)
{
    uint32_t first = pages->count;
    if (first > 0 && pages->table[first - 1].kind == PAGES_FREE)
        first -= pages->table[first - 1].length;
    if (count > pages->room - first)
        return PAGES_NONE;
    uint32_t end = first + count;
    if (end > pages->committed) {
        uint32_t wanted = pages->committed + pages->committed / 2 + STEP_PAGES;
        if (wanted > pages->room)
            wanted = pages->room;
        if (!(wanted > end && commit(pages, wanted)) && !commit(pages, end))
            return PAGES_NONE;
    }
    uint32_t old = pages->count;
    set_run(pages, old, end - old, PAGES_FREE); /* before it counts: see pages_recover */
    pages->count = end;
    release(pages, old, end - old);
    return first;
}

/* Gives the dirty pages at the end of the free run [first, end) back, `excess` at most, as far as
 * it holds the system's pages whole; behind the last run nothing has been used. False when the
 * kernel refuses. */
static bool clean_run(struct pages *pages, uint32_t first, uint32_t end, uint32_t excess)
{
    uint32_t unit = (uint32_t)(page_size / PAGE_BYTES);
    first = round_up(first, unit);
    end = end == pages->count ? round_up(end, unit) : round_down(end, unit);
    while (end > first && excess > 0) {
        uint32_t start = end, dirty = 0, more;
        while (start > first && dirty < excess &&
               (more = bits_count(pages->dirty, start - unit, start)) > 0) {
            start -= unit;
            dirty += more;
        }
        if (start == end) {
            end -= unit;
            continue;
        }
        if (!region_discard(pages_address(pages, start), pages_address(pages, end)))
            return false; /* locked memory: the kernel keeps it */
        bits_clear(pages->dirty, start, end);
        pages->warm -= dirty;
        excess -= lower(dirty, excess);
        end = start;
    }
    return true;
}

/* Where fresh pages are used, as many warm ones that nobody has use for go back to the kernel, of
 * the longest free runs: so the process takes no more memory than it would if all free memory
 * fitted. */
static void trade(struct pages *pages, uint32_t fresh)
{
    uint32_t left = (uint32_t)higher(pages->warm > fresh ? pages->warm - fresh : 0, pages->kept);
    unsigned looks = fresh < TRADED_PAGES ? 0 : LOOKS;
    for (uint64_t bins = pages->bins; bins != 0 && looks > 0;) {
        unsigned bin = 63 - (unsigned)__builtin_clzll(bins);
        bins &= ~((uint64_t)1 << bin);
        for (uint32_t run = pages->first[bin]; run != PAGES_NONE && looks > 0; looks--) {
            uint32_t end = run + pages->table[run].length;
            if (pages->warm <= left || (bits_count(pages->dirty, run, end) > 0 &&
                                        !clean_run(pages, run, end, pages->warm - left)))
                return;
            run = pages->table[run].next;
        }
    }
}

uint32_t pages_take(struct pages *pages, uint32_t count, enum pages_kind kind)
{
    uint32_t first = find(pages, count);
    if (first == PAGES_NONE)
        first = grow(pages, count);
    if (first == PAGES_NONE)
        return PAGES_NONE;
    unlist(pages, first);
    uint32_t length = pages->table[first].length;
    if (length > count) {
        set_run(pages, first + count, length - count, PAGES_FREE);
        list(pages, first + count);
    }
    set_run(pages, first, count, kind);
    uint32_t dirty = bits_count(pages->dirty, first, first + count);
    pages->warm -= dirty;
    pages->used += count;
    trade(pages, count - dirty);
    return first;
}

/* What is free from now on may hold anything. What has been moved there is a mapping of its own, of
 * which a process has a limited number. */
static void leave(struct pages *pages, uint32_t first, uint32_t length, enum pages_kind kind)
{
    uintptr_t start = pages_address(pages, first), end = pages_address(pages, first + length);
    uintptr_t whole = page_up(start), whole_end = page_down(end);
    pages->used -= length;
    bits_set(pages->dirty, first, first + length);
    if (kind == PAGES_MOVED && whole < whole_end && region_renew(whole, whole_end))
        bits_clear(pages->dirty, pages_index(pages, whole), pages_index(pages, whole_end));
    pages->warm += bits_count(pages->dirty, first, first + length);
    track_hide((void *)start, length * PAGE_BYTES);
    release(pages, first, length);
}

uintptr_t pages_run_end(const struct pages *pages, uint32_t first)
{
    const struct page *run = &pages->table[first];
    bool is_one = run->kind == PAGES_LARGE || run->kind == PAGES_MOVED;
    /* Inside of a run entries of older ones may be left. */
    if (!is_one || run->length == 0 || run->length > pages->count - first)
        return 0;
    const struct page *last = run + run->length - 1;
    return last->length == run->length && last->kind == run->kind
               ? pages_address(pages, first + run->length)
               : 0;
}

void pages_note_moved(struct pages *pages, uint32_t first)
{
    set_run(pages, first, pages->table[first].length, PAGES_MOVED);
}

void pages_free(struct pages *pages, uint32_t first, bool clean)
{
    uint32_t length = pages->table[first].length;
    enum pages_kind kind = pages->table[first].kind;
    CHECK(kind != PAGES_FREE);
    if (kind == PAGES_MOVED)
        region_forget_move();
    leave(pages, first, length, kind);
    if (clean) {
        pages->warm -= bits_count(pages->dirty, first, first + length);
        bits_clear(pages->dirty, first, first + length);
    }
}

bool pages_extend(struct pages *pages, uint32_t first, uint32_t count)
{
    uint32_t length = pages->table[first].length;
    uint32_t more = count - length;
    uint32_t end = first + length;
    uint32_t room =
        end < pages->count && pages->table[end].kind == PAGES_FREE ? pages->table[end].length : 0;
    if (room < more && end + room == pages->count && grow(pages, more) == end)
        room = pages->table[end].length;
    if (room < more)
        return false;
    unlist(pages, end);
    if (room > more) {
        set_run(pages, end + more, room - more, PAGES_FREE);
        list(pages, end + more);
    }
    uint32_t dirty = bits_count(pages->dirty, end, end + more);
    enum pages_kind kind = pages->table[first].kind;
    set_run(pages, first, count, kind);
    pages->warm -= dirty;
    pages->used += more;
    trade(pages, more - dirty);
    return true;
}

/* Makes two runs of one in use; the one behind first, so that the table is sound at any instant. */
static void split(struct pages *pages, uint32_t first, uint32_t count)
{
    enum pages_kind kind = pages->table[first].kind;
    set_run(pages, first + count, pages->table[first].length - count, kind);
    signal_fence();
    set_run(pages, first, count, kind);
}

void pages_shorten(struct pages *pages, uint32_t first, uint32_t count)
{
    uint32_t length = pages->table[first].length;
    if (count == length)
        return;
    split(pages, first, count);
    leave(pages, first + count, length - count, pages->table[first].kind);
}

void pages_cut(struct pages *pages, uint32_t first, uint32_t count)
{
    split(pages, first, count);
    leave(pages, first, count, pages->table[first].kind);
}

void pages_reset(struct pages *pages)
{
    if (pages->count == 0)
        return;
    for (uint32_t run = 0; run < pages->count; run += pages->table[run].length)
        if (pages->table[run].kind != PAGES_FREE)
            bits_set(pages->dirty, run, run + pages->table[run].length);
    for (size_t i = 0; i < PAGES_BINS; i++)
        pages->first[i] = PAGES_NONE;
    pages->bins = 0;
    pages->used = 0;
    pages->warm = bits_count(pages->dirty, 0, pages->count);
    track_hide((void *)pages->start, pages->count * PAGE_BYTES);
    set_run(pages, 0, pages->count, PAGES_FREE);
    list(pages, 0);
}

void pages_recover(struct pages *pages)
{
    for (size_t i = 0; i < PAGES_BINS; i++)
        pages->first[i] = PAGES_NONE;
    pages->bins = 0;
    pages->used = pages->warm = 0;
    for (uint32_t run = 0; run < pages->count; run += pages->table[run].length) {
        uint32_t length = pages->table[run].length;
        enum pages_kind kind = pages->table[run].kind;
        if (length == 0 || length > pages->count - run) {
            length = pages->count - run; /* what cannot be told is given up */
            kind = PAGES_LARGE;
        }
        set_run(pages, run, length, kind); /* its last page's entry may be another's */
        if (kind != PAGES_FREE) {
            pages->used += length;
            continue;
        }
        list(pages, run);
        pages->warm += bits_count(pages->dirty, run, run + length);
    }
}

bool pages_trim(struct pages *pages, uint32_t kept)
{
    uint32_t warm = pages->warm;
    for (uint32_t end = pages->count; end > 0 && pages->warm > kept;) {
        uint32_t first = end - pages->table[end - 1].length;
        if (pages->table[first].kind == PAGES_FREE &&
            !clean_run(pages, first, end, pages->warm - kept))
            break;
        end = first;
    }
    if (pages->warm == warm)
        return false;
    PROBE(trim, pages->start, (warm - pages->warm) * PAGE_BYTES);
    return true;
}

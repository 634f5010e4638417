/*
 * A snapshot of the loader's list of object files, sorted by address. It is taken anew when
 * something stands behind the last object of the list, to which new ones are added, or when
 * something may have gone. There are two: one is read while the other is written, without a lock.
 *
 * Taking one waits for the loader's lock of that list, as unwinders before glibc 2.35 do for each
 * frame; its owner may take it again. In a child of fork it may be taken for ever, by a thread that
 * is not there: so one is taken before each fork, and where the parent had other threads it serves
 * until the child has loaded or unloaded something, for which it took the lock. Looking into one
 * waits for nothing: a thread waits only when something has been loaded or unloaded since the last
 * look.
 * Programs of other namespaces (dlmopen) are not in the list. Where this runs with a newer C
 * library than it was built with, that is asked instead: it knows them, and unwinders want them.
 */
#include "next/objects.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "base/track.h"
#include "next/fixed.h"
#include "next/symbol.h"

/* Further ones are not found. */
#define OBJECTS_MAX 2048

struct object {
    uintptr_t start, end;
    struct link_map *map;
    uintptr_t eh_frame;
    const ElfW(Phdr) * segments;
    size_t segment_count;
};

static struct snapshot {
    struct object objects[OBJECTS_MAX];
    size_t count;
    struct link_map *last; /* of the loader's list; NULL: none has been taken */
    unsigned long long adds, subs;
} snapshots[2];

static unsigned version; /* snapshots[version % 2] is the one that is read */
static bool changed;     /* something may have gone */
static unsigned leavers; /* so many objects were said to leave: each is in the list for a while */
static unsigned gone;    /* and so many of them are gone; under the loader's lock */

static bool alone; /* before the fork that is under way the process had one thread */
/* This is a child of one that had more: the lock may be lost. What stood behind the last object
 * then, which a thread may have been adding; and how many had been said to leave. */
static bool stale;
static const struct link_map *added;
static unsigned left;

/* Who is taking one. Itself again: a signal handler has interrupted it. Another: it was so in the
 * process of which this is a child. */
static pthread_t taking;

/* The first object that ends behind the address, or their number. */
static size_t search(const struct snapshot *snapshot, uintptr_t address)
{
    size_t from = 0, to = lower(__atomic_load_n(&snapshot->count, __ATOMIC_RELAXED), OBJECTS_MAX);
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (snapshot->objects[middle].end > address)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* The loader tells of its objects in the order of its list. */
static int add(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct snapshot *snapshot = argument;
    struct link_map *map = snapshot->last ? snapshot->last->l_next : _r_debug.r_map;
    struct object object = {.start = UINTPTR_MAX,
                            .map = map,
                            .segments = info->dlpi_phdr,
                            .segment_count = info->dlpi_phnum};
    if (!map || map->l_name != info->dlpi_name)
        return -1;
    snapshot->last = map;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            object.start = lower(object.start, round_down(start, getauxval(AT_PAGESZ)));
            object.end = higher(object.end, start + segment->p_memsz);
        } else if (segment->p_type == PT_GNU_EH_FRAME) {
            object.eh_frame = start;
        }
    }
    size_t place = search(snapshot, object.start);
    /* The kernel's own has nothing but code, to which no pointer is kept. */
    if (object.end == 0 || object.start == getauxval(AT_SYSINFO_EHDR) ||
        snapshot->count == OBJECTS_MAX)
        return 0;
    for (size_t i = snapshot->count++; i > place; i--)
        snapshot->objects[i] = snapshot->objects[i - 1];
    snapshot->objects[place] = object;
    return 0;
}

/* `subs` objects have gone since the start of the process. While some of those that were said to
 * leave are in the list, a snapshot is good for one look. */
static void settle(unsigned long long subs)
{
    static unsigned long long settled;
    __atomic_store_n(&changed, false, __ATOMIC_SEQ_CST);
    unsigned told = __atomic_load_n(&leavers, __ATOMIC_SEQ_CST);
    unsigned long long since = subs - settled;
    settled = subs;
    signal_fence(); /* a child that is made here takes one for each look, and misses none */
    gone += (unsigned)lower(told - gone, since);
    if (gone != told)
        __atomic_store_n(&changed, true, __ATOMIC_RELAXED);
}

/* Called for the first object only, under the loader's lock. */
static int take(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    pthread_t self = pthread_self();
    if (taking == self)
        return 1;
    taking = self;
    stale = false;
    signal_fence();
    const struct snapshot *old = &snapshots[version % 2];
    struct snapshot *next = &snapshots[(version + 1) % 2];
    settle(info->dlpi_subs);
    if (!old->last || old->adds != info->dlpi_adds || old->subs != info->dlpi_subs) {
        __atomic_thread_fence(
            __ATOMIC_RELEASE); /* who sees what follows sees that `next` is not read */
        next->count = 0;
        next->last = NULL;
        next->adds = info->dlpi_adds;
        next->subs = info->dlpi_subs;
        if (dl_iterate_phdr(add, next) == 0) {
            track_trust(&next->last->l_next, sizeof next->last->l_next); /* the loader writes it */
            __atomic_store_n(&version, version + 1, __ATOMIC_RELEASE);
        }
    }
    signal_fence();
    taking = 0;
    return 1;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* The kernel leaves holes between the segments of the loader and the program, where others map. */
static bool holds(const struct object *object, uintptr_t address)
{
    for (size_t i = 0; i < object->segment_count; i++) {
        const ElfW(Phdr) *segment = &object->segments[i];
        uintptr_t page = getauxval(AT_PAGESZ), start = object->map->l_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && address >= round_down(start, page) &&
            address < round_up(start + segment->p_memsz, page))
            return true;
    }
    return false;
}

/* Where something has gone, that may be the last object. (Who is interrupted behind the first look
 * reads what has been freed, and takes a snapshot in vain, or not yet.) */
__attribute__((no_sanitize_address)) static bool is_current(void)
{
    const struct link_map *last = snapshots[version % 2].last;
    if (fixed.find_object)
        return true;
    if (stale && last && __atomic_load_n(&last->l_next, __ATOMIC_ACQUIRE) == added)
        return true;
    if (__atomic_load_n(&changed, __ATOMIC_RELAXED))
        return false;
    return last && !__atomic_load_n(&last->l_next, __ATOMIC_ACQUIRE);
}

void objects_start(void)
{
#ifndef ARENASHIM_WITHOUT_DL_FIND_OBJECT
    /* An older one must not be asked in vain: it may end the program, or allocate for its answer.
     */
    if (strverscmp(gnu_get_libc_version(), "2.35") >= 0)
        fixed.find_object = (__typeof__(&_dl_find_object))next_symbol("_dl_find_object");
#endif
}

void objects_before_fork(void)
{
    struct stat threads;
    int saved_errno = errno;
    alone = stat("/proc/self/task", &threads) == 0 && threads.st_nlink == 2 + 1;
    errno = saved_errno;
    if (!is_current())
        dl_iterate_phdr(take, NULL);
}

void objects_forked(void)
{
    const struct link_map *last = snapshots[version % 2].last;
    stale |= !alone;
    alone = false;
    added = last ? last->l_next : NULL;
    left = leavers;
}

void objects_changed(bool leaves)
{
    if (leaves)
        __atomic_fetch_add(&leavers, 1, __ATOMIC_SEQ_CST);
    else if (leavers != left) /* a dlclose has come back that let some go */
        stale = false;
    __atomic_store_n(&changed, true, __ATOMIC_SEQ_CST);
}

int objects_find(void *address, struct dl_find_object *result)
{
    struct object object;
    unsigned seen;
    if (fixed.find_object)
        return fixed.find_object(address, result);
    if (UNLIKELY(!is_current()))
        dl_iterate_phdr(take, NULL);
    do {
        seen = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
        const struct snapshot *snapshot = &snapshots[seen % 2];
        size_t place = search(snapshot, (uintptr_t)address);
        object = place < OBJECTS_MAX && place < snapshot->count ? snapshot->objects[place]
                                                                : (struct object){0};
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (seen != __atomic_load_n(&version, __ATOMIC_RELAXED));
    if ((uintptr_t)address - object.start >= object.end - object.start ||
        !holds(&object, (uintptr_t)address))
        return -1;
    *result = (struct dl_find_object){.dlfo_map_start = (void *)object.start,
                                      .dlfo_map_end = (void *)object.end,
                                      .dlfo_link_map = object.map,
                                      .dlfo_eh_frame = (void *)object.eh_frame};
    return 0;
}

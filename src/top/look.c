#include "top/look.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "base/printable.h"
#include "memory/pages.h"

#define SYMBOL "arenashim_records"
#define COPIES_MOST 4

/* ---- finding the records --------------------------------------------------------------------- */

static bool say_missing(const struct look *look, bool again, char error[LOOK_ERROR_SIZE])
{
    if (errno == ESRCH)
        snprintf(error, LOOK_ERROR_SIZE,
                 access("/proc/self", F_OK) != 0 ? "process %d cannot be found: there is no /proc"
                 : again                         ? "process %d has ended"
                                                 : "there is no process %d, or it has ended",
                 (int)look->pid);
    else
        snprintf(error, LOOK_ERROR_SIZE,
                 "process %d may not be looked into: %s; it takes the process's own user, and root "
                 "where ptrace is restricted",
                 (int)look->pid, strerror(errno));
    return false;
}

/* Whether this command knows these records. */
static bool is_known(const struct look *look, const struct records *records,
                     char error[LOOK_ERROR_SIZE])
{
    if (records->layout == RECORDS_LAYOUT && records->bytes == RECORDS_BYTES)
        return true;
    snprintf(error, LOOK_ERROR_SIZE,
             "process %d has libarenashim.so %.*s with records of layout %u (%u bytes), and this "
             "command, " PACKAGE_VERSION ", reads layout %u (%u bytes)",
             (int)look->pid, (int)sizeof records->version, records->version, records->layout,
             records->bytes, RECORDS_LAYOUT, (unsigned)RECORDS_BYTES);
    return false;
}

/* Of several copies in the process all but one are idle. */
static bool find_records(struct look *look, bool again, struct records *records,
                         struct region *region, char error[LOOK_ERROR_SIZE])
{
    uintptr_t addresses[COPIES_MOST];
    int found = process_find(look->pid, SYMBOL, addresses, COPIES_MOST);
    if (found < 0)
        return say_missing(look, again, error);
    snprintf(error, LOOK_ERROR_SIZE,
             found == 0
                 ? "process %d (%s) does not have libarenashim.so, or one that is older than "
                   "this command"
                 : "libarenashim.so is idle in process %d (%s): it is disabled, only "
                   "watches, or starts",
             (int)look->pid, look->name);
    for (int i = 0; i < found; i++) {
        *records = (struct records){0};
        if (!process_read(look->pid, addresses[i], records, offsetof(struct records, region)))
            continue;
        if (!is_known(look, records, error))
            return false;
        if (process_read(look->pid, addresses[i], records, sizeof *records) &&
            process_read(look->pid, (uintptr_t)records->region, region, sizeof *region) &&
            region->start != 0 && region->slots <= REGION_SLOTS_MAX)
            return true;
    }
    return false;
}

/* ---- sites ----------------------------------------------------------------------------------- */

/* A string of the process, cut to fit, as it may be printed. */
static void read_name(pid_t pid, const char *address, char name[LOOK_NAME_SIZE])
{
    size_t length = 0;
    while (length < LOOK_NAME_SIZE - 1) {
        uintptr_t at = (uintptr_t)address + length;
        size_t piece = lower(LOOK_NAME_SIZE - 1 - length, round_up(at + 1, PAGE_BYTES) - at);
        if (!process_read(pid, at, name + length, piece))
            break;
        if (memchr(name + length, '\0', piece))
            length = LOOK_NAME_SIZE - 1;
        else
            length += piece;
    }
    name[length] = '\0';
    make_printable(name);
}

/* Two threads may have entered a site at once: the first entry of equal ones counts. */
static uint16_t first_equal(const struct look *look, uint16_t index)
{
    const struct look_site *site = &look->sites[index];
    for (uint16_t i = 0; i < index; i++) {
        const struct look_site *other = &look->sites[i];
        if (other->there && other->line == site->line && strcmp(other->label, site->label) == 0 &&
            strcmp(other->file, site->file) == 0)
            return i;
    }
    return index;
}

/* Fills `first` with the entry that counts for each, and returns how many entries there are. */
static size_t read_sites(struct look *look, const struct site *table, uint16_t first[SITES_MAX])
{
    static struct site sites[SITES_MAX];
    size_t count = 0;
    if (!process_read(look->pid, (uintptr_t)table, sites, sizeof sites))
        return 0;
    for (uint16_t i = 0; i < SITES_MAX; i++) {
        struct look_site *site = &look->sites[i];
        site->there = false;
        site->sums = (struct site_stats){0};
        site->open = 0;
        first[i] = i;
        if (!sites[i].ready)
            continue;
        read_name(look->pid, sites[i].label, site->label);
        read_name(look->pid, sites[i].file, site->file);
        site->line = sites[i].line;
        first[i] = first_equal(look, i);
        site->there = first[i] == i;
        count = i + 1U;
    }
    return count;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The record up to what is not read. */
#define HEAD_BYTES offsetof(struct thread, passed)

/* A thread as it was read: its head and words before and after frames and sites. */
struct reading {
    struct thread record;
    struct hot words;
    struct thread after;
    struct hot words_after;
};

/* Nothing has begun or ended meanwhile, and no counts have moved from the words to the record. */
static bool is_steady(const struct reading *reading)
{
    const struct thread *a = &reading->record, *b = &reading->after;
    return a->owned == b->owned && a->words == b->words && a->serial == b->serial &&
           a->depth == b->depth && a->epoch == b->epoch &&
           reading->words.calls <= reading->words_after.calls &&
           (reading->words.cursor != 0) == (a->depth != 0);
}

/* What the head leads to, and the head again. */
static bool read_rest(pid_t pid, uintptr_t address, size_t sites, struct reading *reading)
{
    struct thread *record = &reading->record, *there = (struct thread *)address;
    size_t depth = lower(record->depth, SCOPE_DEPTH_MAX);
    size_t words = record->owned ? sizeof(struct hot) : 0;
    reading->words = reading->words_after = (struct hot){0};
    const struct iovec local[] = {
        {&reading->words, words},
        {record->frames, depth * sizeof(struct frame)},
        {record->sites, sites * sizeof(struct site_stats)},
        {&reading->after, HEAD_BYTES},
        {&reading->words_after, words},
    };
    const struct iovec remote[] = {
        {record->words, words},           {there->frames, local[1].iov_len},
        {there->sites, local[2].iov_len}, {there, HEAD_BYTES},
        {record->words, words},
    };
    return process_read_pieces(pid, local, remote, 5);
}

/* False: there is no record. A thread that has ended by a system call of its own has left one that
 * says it is there. */
static bool read_thread(pid_t pid, uintptr_t address, size_t sites, struct reading *reading,
                        bool *steady)
{
    bool read = false;
    *steady = false;
    for (int i = 0; i < LOOK_TRIES && !*steady; i++) {
        if (!process_read(pid, address, &reading->record, HEAD_BYTES))
            return false;
        if (!read && i == LOOK_TRIES - 1)
            reading->record.owned = false;
        if (!read_rest(pid, address, sites, reading))
            continue;
        read = true;
        *steady = is_steady(reading);
    }
    return read;
}

/* The site whose statistics in the record, which lies at `address`, are at `stats`. */
static bool site_index(uintptr_t address, const struct site_stats *stats, size_t sites,
                       size_t *index)
{
    uintptr_t offset = (uintptr_t)stats - address - offsetof(struct thread, sites);
    *index = offset / sizeof *stats;
    return offset % sizeof *stats == 0 && *index < sites;
}

static void add_stats(struct site_stats *sum, const struct site_stats *stats)
{
    sum->scopes += stats->scopes;
    sum->calls += stats->calls;
    sum->bytes += stats->bytes;
    sum->peak = higher(sum->peak, stats->peak);
    sum->overflows += stats->overflows;
    sum->fallbacks += stats->fallbacks;
    sum->live_at_end += stats->live_at_end;
    sum->survivors += stats->survivors;
}

static void enter_counts(struct look *look, struct look_thread *thread, struct reading *reading,
                         uintptr_t address, size_t sites, const uint16_t *first)
{
    struct thread *record = &reading->record;
    size_t inner;
    /* What the fast paths have counted since is the innermost scope's. */
    if (record->depth > 0 && record->depth <= SCOPE_DEPTH_MAX &&
        (int64_t)reading->words.calls > 0 &&
        site_index(address, record->frames[record->depth - 1].stats, sites, &inner)) {
        record->sites[inner].calls += reading->words.calls;
        record->sites[inner].bytes += reading->words.bytes;
    }
    thread->calls = record->in_place;
    thread->bytes = 0;
    for (size_t i = 0; i < sites; i++) {
        thread->calls += record->sites[i].calls;
        thread->bytes += record->sites[i].bytes;
        add_stats(&look->sites[first[i]].sums, &record->sites[i]);
    }
}

/* The number here of a thread that takes `inside` for it. */
static pid_t number_here(const struct process_number *numbers, size_t count, pid_t inside)
{
    for (size_t i = 0; i < count; i++)
        if (numbers[i].inside == inside)
            return numbers[i].here;
    return inside;
}

static void enter_state(struct look *look, struct look_thread *thread,
                        const struct reading *reading, uintptr_t address, size_t sites,
                        const uint16_t *first, pid_t number)
{
    const struct thread *record = &reading->record;
    thread->number = number;
    process_name(look->pid, number, thread->name);
    thread->depth = 0;
    for (size_t i = 0; i < record->depth && i < SCOPE_DEPTH_MAX; i++) {
        const struct frame *frame = &record->frames[i];
        size_t index;
        if (!site_index(address, frame->stats, sites, &index))
            continue;
        thread->scopes[thread->depth++] =
            (struct look_scope){first[index], frame->retains, frame->pauses > 0};
        look->sites[first[index]].open++;
    }
    uintptr_t top = record->gap_top ? record->gap_top : reading->words.cursor;
    thread->arena = top > record->base && top <= record->memory_end ? top - record->base : 0;
    thread->retained = record->heap.pages.used * PAGE_BYTES;
    thread->peak = higher(record->high_water, higher(thread->arena, thread->retained));
    look->owners++;
    look->open += thread->depth;
}

static void read_threads(struct look *look, const struct records *records,
                         const struct region *region)
{
    static struct reading reading;
    static uint16_t first[SITES_MAX];
    static struct process_number numbers[REGION_SLOTS_MAX];
    size_t count = process_numbers(look->pid, numbers, REGION_SLOTS_MAX);
    size_t sites = read_sites(look, records->sites, first);
    unsigned epoch = 0;
    process_read(look->pid, (uintptr_t)records->epoch, &epoch, sizeof epoch);
    look->slots = region->slots;
    look->owners = look->open = 0;
    for (unsigned slot = 0; slot < region->slots; slot++) {
        struct look_thread *thread = &look->threads[slot];
        uintptr_t address = region->start + slot * REGION_RECORD_BYTES;
        thread->owned = false;
        thread->calls = thread->bytes = 0;
        if (!read_thread(look->pid, address, sites, &reading, &thread->steady) ||
            reading.record.epoch != epoch)
            continue;
        enter_counts(look, thread, &reading, address, sites, first);
        thread->owned = reading.record.owned;
        if (thread->owned)
            enter_state(look, thread, &reading, address, sites, first,
                        number_here(numbers, count, reading.record.owner));
    }
}

/* ---- rates ----------------------------------------------------------------------------------- */

/* Counts are lower than before where the process has become another program. */
static double rate(const struct look *look, uint64_t now, uint64_t before)
{
    return look->seconds > 0 && now > before ? (double)(now - before) / look->seconds : 0;
}

static void set_rates(struct look *look, const struct look *before)
{
    look->calls_rate = look->bytes_rate = 0;
    for (unsigned i = 0; i < look->slots; i++) {
        struct look_thread *now = &look->threads[i];
        const struct look_thread *then = &before->threads[i];
        now->calls_rate = rate(look, now->calls, then->calls);
        now->bytes_rate = rate(look, now->bytes, then->bytes);
        look->calls_rate += now->calls_rate;
        look->bytes_rate += now->bytes_rate;
    }
    for (size_t i = 0; i < SITES_MAX; i++) {
        struct look_site *now = &look->sites[i];
        const struct site_stats *then = &before->sites[i].sums;
        now->scopes_rate = rate(look, now->sums.scopes, then->scopes);
        now->calls_rate = rate(look, now->sums.calls, then->calls);
        now->bytes_rate = rate(look, now->sums.bytes, then->bytes);
    }
}

bool look_take(struct look *look, const struct look *before, pid_t pid, char error[LOOK_ERROR_SIZE])
{
    struct records records;
    struct region region;
    look->pid = pid;
    process_name(pid, pid, look->name);
    if (!find_records(look, before != NULL, &records, &region, error))
        return false;
    memcpy(look->version, records.version, sizeof look->version);
    look->version[sizeof look->version - 1] = '\0';
    clock_gettime(CLOCK_MONOTONIC, &look->at);
    read_threads(look, &records, &region);
    if (before) {
        look->seconds = (double)(look->at.tv_sec - before->at.tv_sec) +
                        (double)(look->at.tv_nsec - before->at.tv_nsec) / 1e9;
        set_rates(look, before);
    }
    return true;
}

#include "memory/chunks.h"

#include "base/check.h"
#include "base/track.h"
#include "memory/region.h"

/* Chunks made accessible at once, at least: each step is a system call. */
#define STEP_CHUNKS 8

static bool has(const uint64_t *bits, uint32_t index)
{
    return bits[index / 64] >> index % 64 & 1;
}

static void set(uint64_t *bits, uint32_t index)
{
    bits[index / 64] |= (uint64_t)1 << index % 64;
}

static void clear(uint64_t *bits, uint32_t index)
{
    bits[index / 64] &= ~((uint64_t)1 << index % 64);
}

void chunks_init(struct chunks *chunks, uintptr_t start, uintptr_t end)
{
    size_t room = (end - start) / (CHUNK_BYTES + sizeof(struct chunk));
    if (room > CHUNKS_MAX)
        room = CHUNKS_MAX;
    size_t table = region_page_up(room * sizeof(struct chunk));
    while (room > 0 && start + table + room * CHUNK_BYTES > end)
        room--; /* what the rounding took */
    chunks->table = (struct chunk *)start;
    chunks->table_end = start;
    chunks->start = start + table;
    chunks->room = (uint32_t)room;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* The lowest run of `count` free chunks; -1 when there is none. */
static int find(const struct chunks *chunks, uint32_t count)
{
    uint32_t length = 0;
    for (uint32_t i = 0; i < chunks->count; i++) {
        if (i % 64 == 0 && chunks->free[i / 64] == 0) {
            length = 0;
            i += 63;
            continue;
        }
        length = has(chunks->free, i) ? length + 1 : 0;
        if (length == count)
            return (int)(i + 1 - count);
    }
    return -1;
}

/* Free chunks at the end of those that are accessible. */
static uint32_t tail(const struct chunks *chunks)
{
    uint32_t length = 0;
    while (length < chunks->count && has(chunks->free, chunks->count - 1 - length))
        length++;
    return length;
}

static bool commit_table(struct chunks *chunks, uint32_t count)
{
    uintptr_t end = region_page_up((uintptr_t)&chunks->table[count]);
    if (end <= chunks->table_end)
        return true;
    if (!region_commit(chunks->table_end, end))
        return false;
    track_show((void *)chunks->table_end, end - chunks->table_end);
    track_trust((void *)chunks->table_end, end - chunks->table_end);
    chunks->table_end = end;
    return true;
}

static bool grow_to(struct chunks *chunks, uint32_t count)
{
    if (count > chunks->room || !commit_table(chunks, count) ||
        !region_commit(chunks_address(chunks, chunks->count), chunks_address(chunks, count)))
        return false;
    for (uint32_t i = chunks->count; i < count; i++) {
        set(chunks->free, i);
        set(chunks->clean, i);
    }
    chunks->count = count;
    return true;
}

/* Makes room for a run at the end. */
static bool grow(struct chunks *chunks, uint32_t count)
{
    uint32_t needed = chunks->count - tail(chunks) + count;
    uint32_t wanted = chunks->count + chunks->count / 2 + STEP_CHUNKS;
    if (wanted > chunks->room)
        wanted = chunks->room;
    return (wanted > needed && grow_to(chunks, wanted)) || grow_to(chunks, needed);
}

int chunks_take(struct chunks *chunks, uint32_t count, uint32_t serial, bool *clean)
{
    int index = count <= chunks->room ? find(chunks, count) : -1;
    if (index < 0 && count <= chunks->room && grow(chunks, count))
        index = find(chunks, count);
    if (index < 0)
        return -1;
    *clean = true;
    for (uint32_t i = (uint32_t)index; i < (uint32_t)index + count; i++) {
        clear(chunks->free, i);
        if (!has(chunks->clean, i)) {
            *clean = false;
            chunks->warm--;
        }
    }
    chunks->used += count;
    chunks->table[index] = (struct chunk){.run = count, .serial = serial};
    return index;
}

bool chunks_would_grow(const struct chunks *chunks, uint32_t count)
{
    return find(chunks, count) < 0;
}

/* ---- giving back ----------------------------------------------------------------------------- */

static void set_free(struct chunks *chunks, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        CHECK(!has(chunks->free, i));
        set(chunks->free, i);
        clear(chunks->clean, i);
    }
    chunks->used -= end - first;
    chunks->warm += end - first;
    track_hide((void *)chunks_address(chunks, first), (end - first) * CHUNK_BYTES);
}

void chunks_release(struct chunks *chunks, uint32_t index)
{
    struct chunk *chunk = &chunks->table[index];
    CHECK(chunk->run > 0 && chunk_live(chunk) == 0);
    uint32_t run = chunk->run;
    chunks->late_frees += chunk->remote;
    chunk->remote = 0;
    chunk->run = 0;
    set_free(chunks, index, index + run);
}

void chunks_restart(struct chunks *chunks, uint32_t index, uint32_t serial)
{
    struct chunk *chunk = &chunks->table[index];
    CHECK(chunk->run == 1 && chunk_live(chunk) == 0);
    chunks->late_frees += chunk->remote;
    *chunk = (struct chunk){.run = 1, .serial = serial};
}

uint64_t chunks_late_frees(const struct chunks *chunks)
{
    uint64_t sum = chunks->late_frees;
    for (uint32_t i = 0; i < chunks->count; i++)
        sum += __atomic_load_n(&chunks->table[i].remote, __ATOMIC_RELAXED);
    return sum;
}

void chunks_shorten(struct chunks *chunks, uint32_t index, uint32_t count)
{
    struct chunk *chunk = &chunks->table[index];
    CHECK(count > 0 && count <= chunk->run);
    uint32_t run = chunk->run;
    chunk->run = count;
    set_free(chunks, index + count, index + run);
}

void chunks_free_late(struct chunks *chunks, struct chunk *chunk)
{
    __atomic_fetch_add(&chunk->remote, 1, __ATOMIC_ACQ_REL);
    if (chunk_live(chunk) == 0)
        __atomic_store_n(&chunks->emptied, true, __ATOMIC_RELAXED);
}

bool chunks_were_emptied(const struct chunks *chunks)
{
    return __atomic_load_n(&chunks->emptied, __ATOMIC_RELAXED);
}

void chunks_reclaim(struct chunks *chunks, int current)
{
    __atomic_store_n(&chunks->emptied, false, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < chunks->count;) {
        uint32_t run = chunks->table[i].run;
        if (run > 0 && (int)i != current && chunk_live(&chunks->table[i]) == 0)
            chunks_release(chunks, i);
        i += run > 0 ? run : 1;
    }
}

void chunks_trim(struct chunks *chunks, uint32_t kept)
{
    for (uint32_t end = chunks->count; end > 0 && chunks->warm > kept;) {
        uint32_t start = end;
        uint32_t excess = chunks->warm - kept;
        while (start > 0 && excess > 0 && has(chunks->free, start - 1) &&
               !has(chunks->clean, start - 1)) {
            start--;
            excess--;
        }
        if (start == end) {
            end--;
            continue;
        }
        if (!region_discard(chunks_address(chunks, start), chunks_address(chunks, end)))
            return; /* locked memory: the kernel keeps it */
        for (uint32_t i = start; i < end; i++)
            set(chunks->clean, i);
        chunks->warm -= end - start;
        end = start;
    }
}

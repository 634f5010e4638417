/*
 * Chunks: the memory of scopes that retain what is still alive (retain.h). A thread's chunks lie in
 * one stretch of its slot; a table beside them, out of reach of the program's stray writes, says
 * which are in use and how many blocks of each are alive.
 *
 *     | table | chunk 0 | chunk 1 | ... up to the limit |
 *
 * A block larger than half a chunk has a run of neighbouring chunks for itself. Chunks are taken
 * lowest first, so that what is given back to the kernel lies at the end.
 *
 * A chunk's owner, the thread in whose slot it lies, counts without atomics; frees by other threads
 * are one atomic addition. The differences are exact in unsigned arithmetic however often the
 * counters go round.
 *
 * All functions are for the owner alone, unless they say otherwise.
 */
#ifndef SHIM_CHUNKS_H
#define SHIM_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_BYTES ((size_t)32 << 10)

/* Of one thread: 1 GiB. */
#define CHUNKS_MAX 32768

struct chunk {
    uint32_t run;    /* chunks of the run that begins here; 0: free, or inside a run */
    uint32_t serial; /* of the thread when it was taken */
    uint32_t drawn;  /* blocks */
    uint32_t freed;  /* of them, by the owner */
    uint32_t remote; /* and by others; atomic */
    uint32_t alone;  /* where in the run its only block lies; 0: there may be several */
    uint32_t unused[2];
};

struct chunks {
    struct chunk *table;
    uintptr_t start;                 /* of chunk 0 */
    uint32_t room;                   /* chunks that there are addresses for */
    uint32_t count;                  /* chunks that are readable and writable */
    uintptr_t table_end;             /* of the readable and writable part of the table */
    uint32_t used;                   /* in runs */
    uint32_t warm;                   /* free, but still holding pages */
    uint64_t late_frees;             /* by other threads, in chunks since released */
    bool emptied;                    /* by frees of other threads, perhaps; atomic */
    uint64_t free[CHUNKS_MAX / 64];  /* bit set: free, of those below `count` */
    uint64_t clean[CHUNKS_MAX / 64]; /* bit set: reads as zero, of the free ones */
};

/* Divides [start, end), page-aligned, whose pages are inaccessible. */
void chunks_init(struct chunks *chunks, uintptr_t start, uintptr_t end);

/* Takes a run of `count` > 0 chunks. Returns the index of its first, or -1 when there is none.
 * *clean becomes true when all of it reads as zero. */
int chunks_take(struct chunks *chunks, uint32_t count, uint32_t serial, bool *clean);

/* Whether chunks_take would have to go past the chunks in use and free now. */
bool chunks_would_grow(const struct chunks *chunks, uint32_t count);

/* The run that begins at `index`, whose blocks are all freed, is free. */
void chunks_release(struct chunks *chunks, uint32_t index);

/* The single chunk at `index`, whose blocks are all freed, is as if it had just been taken. */
void chunks_restart(struct chunks *chunks, uint32_t index, uint32_t serial);

/* Makes a run of chunks shorter. */
void chunks_shorten(struct chunks *chunks, uint32_t index, uint32_t count);

/* Counts the free of a block by another thread than the owner. Any thread. */
void chunks_free_late(struct chunks *chunks, struct chunk *chunk);

/* Whether such frees may have emptied chunks since chunks_reclaim. */
bool chunks_were_emptied(const struct chunks *chunks);

/* Releases the runs, other than the one at `current` (or -1), that frees by other threads have
 * emptied. */
void chunks_reclaim(struct chunks *chunks, int current);

/* Gives pages of free chunks back to the kernel until at most `kept` chunks keep theirs. */
void chunks_trim(struct chunks *chunks, uint32_t kept);

/* Blocks of a run that are alive. Any thread may ask; only the owner gets a certain answer. */
static inline uint32_t chunk_live(const struct chunk *chunk)
{
    return chunk->drawn - chunk->freed - __atomic_load_n(&chunk->remote, __ATOMIC_ACQUIRE);
}

/* Frees by other threads so far. Any thread. */
uint64_t chunks_late_frees(const struct chunks *chunks);

static inline bool chunks_hold(const struct chunks *chunks, uintptr_t address)
{
    return address - chunks->start < chunks->count * CHUNK_BYTES;
}

static inline uint32_t chunks_index(const struct chunks *chunks, uintptr_t address)
{
    return (uint32_t)((address - chunks->start) / CHUNK_BYTES);
}

static inline uintptr_t chunks_address(const struct chunks *chunks, uint32_t index)
{
    return chunks->start + index * CHUNK_BYTES;
}

#endif

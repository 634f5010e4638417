/*
 * What is read from outside the process, by `arenashim top` and gdb: where the records lie. The
 * library exports it, so that it is found in one without symbols, too.
 */
#ifndef THREAD_RECORDS_H
#define THREAD_RECORDS_H

#include <stdint.h>

#include "memory/region.h"
#include "thread/thread.h"

/* Goes up when what these readers know of the records changes: this structure, the fields and
 * constants that src/top and scripts/libarenashim.so-gdb.py name. */
#define RECORDS_LAYOUT 2

/* Tells a change of the structures that nobody has given a new number. */
#define RECORDS_BYTES (sizeof(struct thread) + sizeof(struct hot) + sizeof(struct site))

/* The first three stay what and where they are in every layout. */
struct records {
    uint32_t layout; /* RECORDS_LAYOUT */
    uint32_t bytes;  /* RECORDS_BYTES */
    char version[24];
    const struct region *region;
    const struct site *sites; /* SITES_MAX */
    const unsigned *epoch;    /* statistics of records with another are void */
};

extern const struct records arenashim_records;

#endif

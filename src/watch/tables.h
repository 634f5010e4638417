/*
 * The tables of the record (record.h), which threads of several processes add to at once: an equal
 * entry is entered once. Takes no lock, as a process may end at any time.
 */
#ifndef WATCH_TABLES_H
#define WATCH_TABLES_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

#include "watch/record.h"

/* Before the first call of the others. */
void tables_start(void);

/* Code of arenashim's own, which is in no stack. */
#define TABLES_OWN UINT32_MAX

/* The number of the module; 0 when the table is full or the path is longer than it holds. */
uint32_t tables_module(const struct link_map *module);

/* The number of the frame; what it has beside parent, module, offset and function is not read. 0:
 * the table is full. */
uint32_t tables_frame(const struct record_frame *frame);

/* Adds to the life's calls and bytes. False: the table is full. */
bool tables_live(const struct record_life *life);

#endif

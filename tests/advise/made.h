/*
 * Records that are made up, for the unit tests of what reads them.
 */
#ifndef TESTS_ADVISE_MADE_H
#define TESTS_ADVISE_MADE_H

#include <stdint.h>

#include "watch/record.h"

/* An empty record; freed with free. */
struct record *made_record(enum watch_mode mode);

/* Enter a module, a frame below that of its caller (0: outermost), a function that is named; each
 * returns its number. */
uint32_t made_module(struct record *record, const char *path);
uint32_t made_frame(struct record *record, uint32_t parent, uint32_t module, uint64_t function);
uint32_t made_function(struct record *record, const char *module, uint64_t offset);

/* So many calls, of 100 bytes each, with that leaf; and what became of their blocks. */
void made_calls(struct record *record, uint32_t leaf, uint64_t calls);
void made_life(struct record *record, uint32_t leaf, uint32_t bound, enum life_end end,
               uint64_t calls);

#endif

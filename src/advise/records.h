/*
 * Record files (watch/record.h), made for a run and read after it.
 */
#ifndef ADVISE_RECORDS_H
#define ADVISE_RECORDS_H

#include "advise/advice.h"

/* Makes one, mapped. *setting is the variable that tells the shim of it, to be freed. Exits with
 * one line when there is no room. */
struct record *records_make(enum watch_mode mode, uint64_t every, const char *program,
                            char **setting);

/* Removes the newest one's file; what is mapped stays. */
void records_remove(void);

/* What all threads of it counted. */
struct record_thread records_sum(const struct record *record);

#endif

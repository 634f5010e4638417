/*
 * The statistics as text or JSON (keys: libarenashim(7)).
 *
 * Counters of other threads are read while these run: a report is a snapshot, exact for threads
 * that are not in a scope at that moment.
 */
#ifndef SHIM_REPORT_H
#define SHIM_REPORT_H

#include <stdbool.h>

/* Lets report_at_exit write; without this call (the shim is not in the path) it is silent. One line
 * on stderr when statistics are wanted and the program ends in a way that leaves no time for them.
 */
void report_enable(void);

/* When start is over, and in a fork child: this process is one that is to report. */
void report_begin(void);

/* Where it may begin its first scope: a command that waits for statistics knows then that there are
 * some, and misses them where a process ends without. */
void report_scope(void);

/* The same, or, before the process becomes another program, that there will be none of this one. */
void report_expect(bool expected);

/* Writes the report that ARENASHIM_STATS asks for, to stderr or ARENASHIM_STATS_FILE, once. One
 * line on stderr when that fails; the program's exit status is not touched. `past`: not by exit(3),
 * but by _exit(2) or quick_exit(3), perhaps in a signal handler on a small stack, or in a child of
 * vfork(2), of which nothing is written. */
void report_at_exit(bool past);

#endif

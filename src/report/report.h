/*
 * The statistics as text or JSON (keys: libarenashim(7)).
 *
 * Counters of other threads are read while these run: a report is a snapshot, exact for threads
 * that are not in a scope at that moment.
 */
#ifndef SHIM_REPORT_H
#define SHIM_REPORT_H

/* Lets report_at_exit write; without this call (the shim is not in the path) it is silent. One line
 * on stderr when statistics are wanted and the program ends in a way that leaves no time for them.
 */
void report_enable(void);

/* Writes the report that ARENASHIM_STATS asks for, to stderr or ARENASHIM_STATS_FILE. One line on
 * stderr when that fails; the program's exit status is not touched. */
void report_at_exit(void);

#endif

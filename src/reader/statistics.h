/*
 * The statistics of processes, as the shim writes them (libarenashim(7), STATISTICS), read and made
 * one. The sum has the keys of a single process; `processes` lists what each came to.
 *
 *     top:        sums; capacities and the largest arena: the highest
 *     processes:  host, rank, program, pid and the top keys of each, by rank; `outliers` names the
 *                 keys in which it differs from most
 *     sites:      merged by label, file and line, most bytes first
 *     callers:    of a site, merged by function, file and line
 *     nesting:    merged by the chain of sites; outer nodes come first
 */
#ifndef READER_STATISTICS_H
#define READER_STATISTICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define STATISTICS_FORMAT 2

/* The sum of what the files say, each of which may be such a sum itself, or a folder of files whose
 * names end in .json. One that cannot be read, is cut short, of a newer version or no such file is
 * left out: *left_out is set, and there is one line on stderr. NULL when there is no process in
 * any.
 */
json_t *statistics_read(char **files, size_t count, bool *left_out);

/* The calls that were made in scopes, routed or not. */
uint64_t statistics_calls(const json_t *object);

/* Whether the process differs from most in the number under that key. */
bool process_is_outlier(const json_t *process, const char *key);

#endif

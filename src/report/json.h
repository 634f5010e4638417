/*
 * The statistics as JSON: the format is in libarenashim(7), its readers are src/reader and
 * src/gate.
 */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include <limits.h>

#include "base/text.h"
#include "report/stats.h"

/* `path` is room for names of files. */
void report_json(struct text *out, const struct stats *stats, char path[PATH_MAX]);

#endif

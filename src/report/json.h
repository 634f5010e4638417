/*
 * The statistics as JSON: the format is in libarenashim(7), its readers are src/reader and
 * src/gate.
 */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "base/text.h"
#include "report/stats.h"

void report_json(struct text *out, const struct stats *stats);

#endif

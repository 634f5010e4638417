/*
 * Code as bytes, without knowing where instructions begin.
 */
#ifndef WRAP_SCAN_H
#define WRAP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

/* Calls `see` with the target of whatever in [start, end) looks like a branch, short ones
 * (SHORT_REACH) aside. */
typedef void scan_see(uintptr_t target, bool conditional);
void scan_branches(uintptr_t start, uintptr_t end, scan_see *see);

/* Whether an instruction in [start, end) may have the address as its result; `fixed`: code that is
 * loaded where it was linked for. */
bool scan_names(uintptr_t start, uintptr_t end, uintptr_t address, bool fixed);

#endif

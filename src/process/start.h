/*
 * The shim's start and end in the process.
 */
#ifndef SHIM_START_H
#define SHIM_START_H

#include <stdbool.h>

/*
 * Starts the shim, once: at its constructor, or at the first scope when one comes earlier (but not
 * before the C library's own constructor: scopes that early do nothing). Looks up the next
 * allocator, reads the settings, checks that malloc is ours, reserves the region. Returns whether
 * scopes can route; when not, calls go to the next allocator, and one line on stderr has said why
 * (unless ARENASHIM_DISABLE asked for it).
 */
bool start_shim(void);

/* Set when a library has been loaded whose calls go past this one (RTLD_DEEPBIND), before a scope
 * was asked for: it would give the C library memory of marked scopes, so that marks open none. */
extern bool start_passed_by;

/* The part of it that makes scopes route with the settings that stand in fixed.config. One line on
 * stderr when it fails. Unit tests call this alone. */
bool start_routing(void);

#endif

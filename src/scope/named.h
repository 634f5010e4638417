/*
 * Scopes named from outside: what the shim offers to the part that wraps functions
 * (next/named_host.h), and the loading of that part.
 */
#ifndef SCOPE_NAMED_H
#define SCOPE_NAMED_H

#include "scope/calls.h"

struct config;

/* Fills fixed.named, which is read-only later. */
void named_settle(const struct config *config);

/* Loads that part, if the settings name scopes; calls of these come to `host`, which stays. */
void named_start(const struct named_host *host);

/* The slow forms of enter and leave. */
void named_enter_slowly(struct named_call *call);
void named_leave_slowly(struct named_call *call);

#endif

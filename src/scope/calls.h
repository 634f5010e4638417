/*
 * Wrapped calls, each of which is a scope: the forms of enter and leave that keep every register
 * (next/named_host.h).
 */
#ifndef SCOPE_CALLS_H
#define SCOPE_CALLS_H

#include "next/named_host.h"

bool named_enter(struct named_call *call) NAMED_QUIET;
bool named_leave(struct named_call *call) NAMED_QUIET;

#endif

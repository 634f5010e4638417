/*
 * Calls of named functions, each of which is an activation.
 */
#ifndef WATCH_WRAPPED_H
#define WATCH_WRAPPED_H

#include "next/named_host.h"

/* Makes wrapped calls come here. */
void wrapped_start(struct named_host *host);

#endif

/*
 * The malloc family of a watched process, as the shim hands it on.
 */
#ifndef WATCH_CALLS_H
#define WATCH_CALLS_H

#include "next/watch_host.h"

/* Fills what is called `watching` in the host; watch_record is set. */
void calls_start(struct watch_host *host);

#endif

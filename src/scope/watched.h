/*
 * The shim in a process that `arenashim advise` watches: idle, but that it hands calls on to the
 * part that watches (next/watch_host.h), and calls of named functions, too.
 */
#ifndef SCOPE_WATCHED_H
#define SCOPE_WATCHED_H

/* Loads that part, if the settings ask for it. By the constructor, in a shim that is idle. */
void watched_start(void);

#endif

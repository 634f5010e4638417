/*
 * What a process with the shim is doing: a look at its records, from outside.
 *
 * Nothing stops the process, so that a thread may begin, end and settle while it is read. The
 * serial number and the depth change with every scope: where they, or the counts, tell that what
 * was read belongs to different moments, it is read again, up to LOOK_TRIES times. What is not of
 * one moment then is marked.
 */
#ifndef TOP_LOOK_H
#define TOP_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "thread/records.h"
#include "top/process.h"

#define LOOK_TRIES 100
#define LOOK_NAME_SIZE 256 /* of labels and files; longer ones are cut */
#define LOOK_ERROR_SIZE 512

struct look_scope {
    uint16_t site; /* an index of `sites` */
    bool retains;
    bool paused;
};

/* A slot, and the thread that has it. */
struct look_thread {
    bool owned;
    bool steady; /* what follows is of one moment */
    pid_t number;
    char name[PROCESS_NAME_SIZE];
    uint64_t calls; /* routed, by all threads that have had the slot */
    uint64_t bytes;
    double calls_rate, bytes_rate; /* a second, since the look before */
    uint64_t arena;                /* its height: bytes up to the cursor, of scopes that drop */
    uint64_t retained;             /* in pages in use, of scopes that retain */
    uint64_t peak;
    unsigned depth;
    struct look_scope scopes[SCOPE_DEPTH_MAX];
};

struct look_site {
    bool there;
    char label[LOOK_NAME_SIZE];
    char file[LOOK_NAME_SIZE];
    uint32_t line;
    unsigned open; /* scopes, now */
    struct site_stats sums;
    double scopes_rate, calls_rate, bytes_rate;
};

/* All 0 at first. */
struct look {
    pid_t pid;
    struct timespec at;
    double seconds; /* since the look before */
    char name[PROCESS_NAME_SIZE];
    char version[24]; /* of the shim */
    unsigned slots;   /* entries of `threads`, some of which nobody owns */
    unsigned owners, open;
    double calls_rate, bytes_rate;
    struct look_thread threads[REGION_SLOTS_MAX];
    struct look_site sites[SITES_MAX];
};

/* Looks at the process; rates are those since `before`, which is NULL at the first time. False, and
 * one line in `error`, when nothing can be seen of it. */
bool look_take(struct look *look, const struct look *before, pid_t pid,
               char error[LOOK_ERROR_SIZE]);

#endif

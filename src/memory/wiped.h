/*
 * What is 0 in a fork child, however it was made: the kernel gives a child a fresh page in place of
 * this one (madvise MADV_WIPEONFORK; before Linux 4.14, and where pages are larger than
 * PAGE_LARGEST, it does not, and only children of fork and _Fork are noticed).
 */
#ifndef MEMORY_WIPED_H
#define MEMORY_WIPED_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/page.h"

struct wiped {
    unsigned generation; /* see route/modules.h; 0: this process has not been noticed yet */
    bool words_taken;    /* see threads_forget_gone */
    bool expected;       /* see report_expect */
    pid_t reporter;      /* the thread that reports at exit; see report.c */
    pid_t process;       /* whose memory this is; 0: of a child that has not been noticed */
    char unique[65];     /* what %u stands for, see output.c; "": not known yet */
};

union wiped_page {
    struct wiped values;
    unsigned char bytes[PAGE_LARGEST];
};

extern HIDDEN union wiped_page wiped_page __attribute__((aligned(PAGE_LARGEST)));
#define wiped (wiped_page.values)

/* Asks the kernel for it; once, at start. */
void wiped_start(void);

#endif

/*
 * Ways out of a program that pass exit(3) by.
 */
#ifndef PROCESS_LEAVE_H
#define PROCESS_LEAVE_H

/* Has quick_exit(3) write the statistics; once. */
void leave_start(void);

#endif

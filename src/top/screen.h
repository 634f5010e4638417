/*
 * Looks on the terminal, one after the other, by ncurses.
 */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "top/text.h"

/* Shows the process every so many seconds until the user quits: true. False, with one line in
 * `error`: it cannot be seen any more, or standard input and output are no terminal. */
bool screen_show(pid_t pid, double seconds, enum order order, char error[LOOK_ERROR_SIZE]);

#endif

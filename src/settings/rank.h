/*
 * Ranks: the numbers of the processes of a parallel job, as launchers such as mpirun and srun give
 * them. Nothing here allocates or depends on the locale.
 */
#ifndef SETTINGS_RANK_H
#define SETTINGS_RANK_H

#include <stdbool.h>

#define RANK_NONE (-1)

/* The rank that this process's launcher has given it by a variable; RANK_NONE when none has. */
int rank_of_launcher(void);

/* Reads decimal digits, and nothing behind them. False, with `*rank` unchanged, for anything else.
 */
bool rank_read(const char *text, int *rank);

/* Whether the list, such as "0,8-15", holds the rank. False, with `*held` unchanged, when it is no
 * list. */
bool ranks_read(const char *list, int rank, bool *held);

#endif

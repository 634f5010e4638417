/*
 * What the program reads and writes: each run reads the same standard input, its standard output is
 * kept and compared with the first run's, and its standard error is kept for messages.
 */
#ifndef ADVISE_STREAMS_H
#define ADVISE_STREAMS_H

#include <stdbool.h>

/* Called once: reads standard input to its end, where it is no terminal. Exits with one line when
 * that fails. */
void streams_start(void);

/* Empty files for the next run. */
void streams_renew(void);

/* Called in the process that is to be the program: makes them its own. False with errno. */
bool streams_connect(void);

/* Whether the last run printed something else than the first. */
bool streams_differ(void);

/* The last line that the last run wrote to its standard error; "" when there is none. To be freed.
 */
char *streams_last_line(void);

/* The first line there that begins so; NULL when there is none. To be freed. */
char *streams_line(const char *beginning);

#endif

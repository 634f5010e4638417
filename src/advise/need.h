/*
 * Memory and texts that the command cannot do without.
 */
#ifndef ADVISE_NEED_H
#define ADVISE_NEED_H

/* What was allocated, unless that is NULL: then the command ends, after one line. */
void *need(void *memory);

/* A text in memory of its own, as printf would print it. */
char *need_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

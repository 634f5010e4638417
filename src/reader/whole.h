/*
 * Files that somebody may read meanwhile, or that a failure must leave as they were: written beside
 * their names, and renamed when they are whole. They keep their mode. Links stay, if they are the
 * user's own or root's; others', which may have been laid to lead it astray, are replaced. What is
 * no regular file, or lies in a folder in which no other can be made, is written to.
 */
#ifndef READER_WHOLE_H
#define READER_WHOLE_H

#include <stdbool.h>
#include <stdio.h>

struct whole {
    FILE *stream;
    char *place, *beside; /* beside it, or NULL */
};

/* Whether it can be opened, as far as can be told without changing anything; else errno. */
bool whole_is_possible(const char *name);

/* False with errno. */
bool whole_open(struct whole *file, const char *name);

/* False with errno when something has failed; then what was there is there. */
bool whole_close(struct whole *file);

#endif

/*
 * Names that were not typed by the user: a FIFO would keep the command waiting, a device may do
 * anything when it is opened.
 */
#ifndef READER_REGULAR_H
#define READER_REGULAR_H

#include <stdbool.h>
#include <sys/stat.h>

static inline bool is_regular_file(const char *name)
{
    struct stat status;
    return stat(name, &status) == 0 && S_ISREG(status.st_mode);
}

#endif

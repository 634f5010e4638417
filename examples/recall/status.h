/* Exit statuses of recall, which its parts return as results. Messages are printed, to stderr by
 * warnx, where a failure is found; callers only pass the status on. */
#ifndef EXAMPLES_RECALL_STATUS_H
#define EXAMPLES_RECALL_STATUS_H

enum recall_status {
    RECALL_OK = 0,
    RECALL_UNKNOWN_WORD = 1, /* a word is not in the data; the others were recalled */
    RECALL_USAGE = 2,        /* bad options */
    RECALL_BAD_DATA = 3,     /* the data can't be read, or is not WordNet data */
    RECALL_NO_RESOURCES = 4, /* no memory, or no thread */
    RECALL_BAD_OUTPUT = 5,   /* standard output can't be written */
};

#endif

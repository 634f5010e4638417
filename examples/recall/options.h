/* The command line of recall. */
#ifndef EXAMPLES_RECALL_OPTIONS_H
#define EXAMPLES_RECALL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../kernels/spread.h"

enum { MAX_QUERIES = 1000000000, MAX_THREADS = 1024, MAX_TOP = 1000, MAX_DEPTH = 1000 };

struct options {
    size_t queries; /* at least word_count */
    size_t threads;
    uint64_t seed;
    size_t top;
    struct spread_params spread;
    const char *wordnet; /* NULL: the default directory, if it is there */
    bool synthetic;
    bool timing;
    char **words; /* into argv, whose order argp may change */
    size_t word_count;
};

/* Reads the command line. On a mistake it prints a message and exits with RECALL_USAGE; --help
 * and --usage print and exit with 0. */
void options_read(struct options *options, int argc, char **argv);

#endif

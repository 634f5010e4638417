/* Loads the corpus that the command line asks for. */
#ifndef EXAMPLES_RECALL_LOAD_H
#define EXAMPLES_RECALL_LOAD_H

#include "corpus.h"
#include "options.h"
#include "status.h"

/* Fills `corpus`, which is zero. The corpus is to be freed in any case. */
enum recall_status load_corpus(struct corpus *corpus, const struct options *options);

#endif

/* Reads WordNet 3.0's database files into a corpus. */
#ifndef EXAMPLES_RECALL_WORDNET_H
#define EXAMPLES_RECALL_WORDNET_H

#include <stdbool.h>

#include "corpus.h"
#include "status.h"

/* Whether `directory` holds WordNet data, judged by its data.noun. */
bool wordnet_exists(const char *directory);

/*
 * Loads data.noun, data.verb, data.adj, data.adv and cntlist.rev of `directory` (formats:
 * wndb(5WN), cntlist(5WN)). Nodes are the synsets in the order of these files.
 *
 * Every pointer of a synset is an arc with the weight that wordnet.c lists for its symbol; a
 * pointer between words counts as one between their synsets. A node's uses are the sum of the tag
 * counts of its words. Tag counts of senses that the data files don't have are passed over: in
 * WordNet 3.0 these are 1,992 of 37,387, kept there from earlier versions.
 *
 * *corpus is zero bytes before. RECALL_BAD_DATA when a file can't be read or is malformed (then a
 * line on stderr names file and line), RECALL_NO_RESOURCES without memory. In every case the
 * corpus is to be freed by corpus_free.
 */
enum recall_status wordnet_load(struct corpus *corpus, const char *directory);

#endif

/* Makes a corpus out of a seed, for machines without WordNet. */
#ifndef EXAMPLES_RECALL_SYNTHETIC_H
#define EXAMPLES_RECALL_SYNTHETIC_H

#include <stdint.h>

#include "corpus.h"
#include "status.h"

/*
 * A scale-free graph of 10,000 nodes and 50,000 edges (stored as an arc each way), grown by
 * preferential attachment (Barabasi and Albert 1999): 11 nodes that are all linked have 55 edges,
 * and each of the 9,989 others brings 5 edges to different earlier nodes, chosen in proportion to
 * the edges they have. Weights are random in [0.25, 1).
 *
 * A node's vector has 12 random elements and half of the vector of the first node it was attached
 * to, so that neighbours are alike. Uses are the number of a node's edges. Labels are node-0 up to
 * node-9999; any other word stands for the node that its hash picks.
 *
 * *corpus is zero bytes before, and is to be freed by corpus_free in every case. The same seed
 * gives the same corpus. RECALL_NO_RESOURCES without memory.
 */
enum recall_status synthetic_load(struct corpus *corpus, uint64_t seed);

#endif

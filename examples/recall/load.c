#include "load.h"

#include <err.h>

#include "synthetic.h"
#include "wordnet.h"

#define DEFAULT_WORDNET "/usr/share/wordnet"

enum recall_status load_corpus(struct corpus *corpus, const struct options *options)
{
    if (options->wordnet)
        return wordnet_load(corpus, options->wordnet);
    if (!options->synthetic && wordnet_exists(DEFAULT_WORDNET))
        return wordnet_load(corpus, DEFAULT_WORDNET);
    if (!options->synthetic)
        warnx("no WordNet data in %s: using the synthetic graph", DEFAULT_WORDNET);
    return synthetic_load(corpus, options->seed);
}

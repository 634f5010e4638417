/* The command line: see options.h. Numbers are taken whole or refused: no sign, blank or suffix. */
#include "options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "status.h"

enum {
    KEY_QUERIES = 256, /* above the characters: long options only */
    KEY_THREADS,
    KEY_SEED,
    KEY_TOP,
    KEY_DEPTH,
    KEY_THRESHOLD,
    KEY_SPREAD_DECAY,
    KEY_WORDNET,
    KEY_SYNTHETIC,
    KEY_TIMING,
};

static const struct argp_option known[] = {
    {"queries", KEY_QUERIES, "N", 0, "Run N queries; those beyond the words are drawn at random",
     0},
    {"threads", KEY_THREADS, "T", 0, "Share the queries out to T threads (1)", 0},
    {"seed", KEY_SEED, "S", 0, "Seed of drawn words and of the synthetic graph (1)", 0},
    {"top", KEY_TOP, "K", 0, "Find the best K matches (10)", 0},
    {"depth", KEY_DEPTH, "D", 0, "Spread activation over up to D steps (4)", 0},
    {"threshold", KEY_THRESHOLD, "X", 0, "Least activation that spreads further (0.01)", 0},
    {"spread-decay", KEY_SPREAD_DECAY, "X", 0, "Factor on activation per step, 0 to 1 (0.6)", 0},
    {"wordnet", KEY_WORDNET, "DIR", 0, "WordNet data files (/usr/share/wordnet)", 0},
    {"synthetic", KEY_SYNTHETIC, 0, 0, "Use a random scale-free graph instead of WordNet", 0},
    {"timing", KEY_TIMING, 0, 0, "Print sizes and times to standard error", 0},
    {0},
};

static const char description[] =
    "Recall what is related to each WORD by spreading activation over WordNet, and compare "
    "glosses.\v"
    "Without WordNet data, and without --wordnet, the synthetic graph is used. The last line of "
    "output is a checksum over the results of all queries; it does not depend on --threads.\n\n"
    "Exit status: 0 success, 1 a WORD is not in the data, 2 usage, 3 data unreadable or malformed, "
    "4 no memory or thread, 5 output not written.";

static uint64_t whole_number(struct argp_state *state, const char *name, const char *text,
                             uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes blanks and a sign, and wraps negative numbers around. */
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < least ||
        value > most)
        argp_error(state, "--%s: '%s' is not a number from %llu to %llu", name, text,
                   (unsigned long long)least, (unsigned long long)most);
    return value;
}

static float fraction(struct argp_state *state, const char *name, const char *text, float most)
{
    char *end;
    errno = 0;
    float value = strtof(text, &end);
    /* strtof takes blanks, signs, hexadecimal digits, "inf" and "nan" as well. */
    bool is_decimal = text[strspn(text, "0123456789.eE-")] == '\0' && text[0] != '-';
    if (!is_decimal || end == text || *end != '\0' || errno != 0 || !(value >= 0 && value <= most))
        argp_error(state, "--%s: '%s' is not a number from 0 to %g", name, text, (double)most);
    return value;
}

static void finish(struct argp_state *state, struct options *options)
{
    if (options->synthetic && options->wordnet)
        argp_error(state, "--synthetic and --wordnet exclude each other");
    if (options->queries == 0)
        options->queries = options->word_count;
    if (options->queries == 0)
        argp_error(state, "nothing to do: name a WORD, or give --queries");
    if (options->queries < options->word_count)
        argp_error(state, "--queries %zu is less than the number of words", options->queries);
}

static error_t take(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;

    switch (key) {
    case KEY_QUERIES:
        options->queries = (size_t)whole_number(state, "queries", text, 1, MAX_QUERIES);
        return 0;
    case KEY_THREADS:
        options->threads = (size_t)whole_number(state, "threads", text, 1, MAX_THREADS);
        return 0;
    case KEY_SEED:
        options->seed = whole_number(state, "seed", text, 0, UINT64_MAX);
        return 0;
    case KEY_TOP:
        options->top = (size_t)whole_number(state, "top", text, 1, MAX_TOP);
        return 0;
    case KEY_DEPTH:
        options->spread.max_depth = (uint32_t)whole_number(state, "depth", text, 0, MAX_DEPTH);
        return 0;
    case KEY_THRESHOLD:
        options->spread.threshold = fraction(state, "threshold", text, 1e6f);
        return 0;
    case KEY_SPREAD_DECAY:
        options->spread.decay = fraction(state, "spread-decay", text, 1);
        return 0;
    case KEY_WORDNET:
        options->wordnet = text;
        return 0;
    case KEY_SYNTHETIC:
        options->synthetic = true;
        return 0;
    case KEY_TIMING:
        options->timing = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->words = state->argv + state->next;
        options->word_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_END:
        finish(state, options);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void options_read(struct options *options, int argc, char **argv)
{
    static const struct argp parser = {.options = known,
                                       .parser = take,
                                       .args_doc = "WORD...\n--queries=N [WORD...]",
                                       .doc = description};

    *options = (struct options){
        .threads = 1,
        .seed = 1,
        .top = 10,
        .spread = {.threshold = 0.01f, .decay = 0.6f, .max_depth = 4},
    };
    argp_err_exit_status = RECALL_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, options);
}

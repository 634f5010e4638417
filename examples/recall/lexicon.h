/*
 * Which nodes a word stands for: a sorted list of (word, node) pairs.
 *
 * Words are slices of memory that the corpus owns; case does not count, and a blank is an
 * underscore (text_compare).
 */
#ifndef EXAMPLES_RECALL_LEXICON_H
#define EXAMPLES_RECALL_LEXICON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct sense {
    struct text word;
    uint32_t node;
    uint32_t lex_id; /* tells senses of a word in one lexicographer file apart; 0 if unused */
};

struct lexicon {
    struct sense *senses;
    size_t length;
    size_t capacity;
    bool covers_all; /* a word that is not listed stands for the sense that its hash picks */
};

/* The senses of one word, in ascending order of node. */
struct senses {
    const struct sense *first;
    size_t count;
};

/* Adds a sense at the end. False, with nothing changed, when there is no memory. */
bool lexicon_add(struct lexicon *lexicon, struct sense sense);

/* Sorts; to be called once, after the last add and before the first look-up. */
void lexicon_sort(struct lexicon *lexicon);

/* The senses of `word`; a count of 0 when it has none. Any thread. */
struct senses lexicon_find(const struct lexicon *lexicon, struct text word);

void lexicon_free(struct lexicon *lexicon);

#endif

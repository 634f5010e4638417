/* The lexicon: see lexicon.h. */
#include "lexicon.h"

#include <stdlib.h>

bool lexicon_add(struct lexicon *lexicon, struct sense sense)
{
    if (lexicon->length == lexicon->capacity) {
        size_t capacity = lexicon->capacity ? 2 * lexicon->capacity : 4096;
        struct sense *senses = realloc(lexicon->senses, capacity * sizeof *senses);
        if (!senses)
            return false;
        lexicon->senses = senses;
        lexicon->capacity = capacity;
    }
    lexicon->senses[lexicon->length++] = sense;
    return true;
}

/* A total order, so that qsort's result does not depend on its algorithm. */
static int compare_senses(const void *left, const void *right)
{
    const struct sense *a = left, *b = right;
    int order = text_compare(a->word, b->word);
    if (order != 0)
        return order;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    return (a->lex_id > b->lex_id) - (a->lex_id < b->lex_id);
}

void lexicon_sort(struct lexicon *lexicon)
{
    if (lexicon->length > 0)
        qsort(lexicon->senses, lexicon->length, sizeof *lexicon->senses, compare_senses);
}

/* The first sense whose word is not before `word`. */
static size_t lower_bound(const struct lexicon *lexicon, struct text word)
{
    size_t low = 0, high = lexicon->length;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_compare(lexicon->senses[middle].word, word) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t hash_of(struct text word)
{
    uint64_t hash = word.length;
    for (uint64_t term; text_next_term(&word, &term);)
        hash = mix64(hash ^ term);
    return hash;
}

struct senses lexicon_find(const struct lexicon *lexicon, struct text word)
{
    size_t first = lower_bound(lexicon, word), end = first;

    while (end < lexicon->length && text_compare(lexicon->senses[end].word, word) == 0)
        end++;
    if (end == first && lexicon->covers_all && lexicon->length > 0) {
        first = (size_t)(hash_of(word) % lexicon->length);
        end = first + 1;
    }
    return (struct senses){lexicon->senses + first, end - first};
}

void lexicon_free(struct lexicon *lexicon)
{
    free(lexicon->senses);
    *lexicon = (struct lexicon){0};
}

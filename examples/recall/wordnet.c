/*
 * The WordNet parser: see wordnet.h.
 *
 * Files are read whole and stay in memory, because labels and glosses are slices of them. A synset
 * is written as "offset lex_file type word_count (word lex_id)... pointer_count (symbol offset pos
 * source/target)... frames | gloss", where offset is the line's own position in the file. Offsets
 * have 8 digits, so a file is smaller than MAX_FILE, and no 32-bit count in here can overflow.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memrchr */
#endif
#include "wordnet.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 4, MAX_FILE = 100000000, MAX_PATH = 4096 };

static const char *const file_names[FILES] = {"data.noun", "data.verb", "data.adj", "data.adv"};

/*
 * Weight of a relation by its pointer symbol (wninput(5WN)): how much of a thought of the one end
 * is a thought of the other. Near 1 for what is nearly the same notion, less the looser the tie.
 * Going up to the more general is stronger than coming down, as there is one way up and many down.
 */
static const struct {
    const char *symbol;
    float weight;
} relations[] = {
    {"+", 0.9f},  /* derivationally related form */
    {"&", 0.8f},  /* similar to */
    {"<", 0.8f},  /* participle of verb */
    {"\\", 0.8f}, /* pertains to noun; adverb derived from adjective */
    {"$", 0.8f},  /* verb group */
    {"@", 0.8f},  /* hypernym */
    {"@i", 0.8f}, /* instance hypernym */
    {"*", 0.7f},  /* entailment */
    {">", 0.7f},  /* cause */
    {"~", 0.6f},  /* hyponym */
    {"^", 0.6f},  /* also see */
    {"~i", 0.5f}, /* instance hyponym */
    {"#m", 0.5f}, /* member holonym */
    {"#s", 0.5f}, /* substance holonym */
    {"#p", 0.5f}, /* part holonym */
    {"%m", 0.5f}, /* member meronym */
    {"%s", 0.5f}, /* substance meronym */
    {"%p", 0.5f}, /* part meronym */
    {"=", 0.5f},  /* attribute */
    {"!", 0.4f},  /* antonym */
    {";c", 0.4f}, /* domain: topic */
    {";r", 0.4f}, /* domain: region */
    {";u", 0.4f}, /* domain: usage */
    {"-c", 0.3f}, /* member of a topic */
    {"-r", 0.3f}, /* member of a region */
    {"-u", 0.3f}, /* member of a usage */
};

/* What loading needs to know of a node beyond what the corpus keeps. */
struct synset {
    uint32_t offset;      /* in its file */
    uint32_t lex_file;    /* lexicographer file number */
    uint32_t head_lex_id; /* of its first word */
    uint32_t head;        /* adjective satellites: the node at the head of the cluster */
    struct text pointers; /* the fields from pointer_count on */
};

struct loader {
    struct corpus *corpus;
    struct synset *synsets; /* one for each node */
    uint32_t capacity;
    uint32_t first[FILES + 1]; /* number of the first node of each file; then that of all nodes */
    struct arcs arcs;
    uint32_t *uses;
};

static enum recall_status no_memory(void)
{
    warnx("out of memory while loading WordNet");
    return RECALL_NO_RESOURCES;
}

bool wordnet_exists(const char *directory)
{
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", directory, file_names[0]);
    return length > 0 && (size_t)length < sizeof path && access(path, F_OK) == 0;
}

/* Reads from `file` all there is, up to MAX_FILE bytes, into a block that the caller frees. */
static enum recall_status read_stream(FILE *file, const char *path, char **buffer, size_t *length)
{
    size_t capacity = 0, got = 1;

    for (*length = 0; got > 0; *length += got) {
        if (*length == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 20;
            char *grown = realloc(*buffer, capacity);
            if (!grown)
                return no_memory();
            *buffer = grown;
        }
        got = fread(*buffer + *length, 1, capacity - *length, file);
        if (*length + got >= MAX_FILE) {
            warnx("%s: too large for WordNet data", path);
            return RECALL_BAD_DATA;
        }
    }
    if (ferror(file)) {
        warn("%s", path);
        return RECALL_BAD_DATA;
    }
    return RECALL_OK;
}

static enum recall_status read_file(const char *directory, const char *name, char **buffer,
                                    struct text *content)
{
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path) {
        warnx("%s: path too long", directory);
        return RECALL_BAD_DATA;
    }
    FILE *file = fopen(path, "r");
    if (!file) {
        warn("%s", path);
        return RECALL_BAD_DATA;
    }
    size_t size;
    enum recall_status status = read_stream(file, path, buffer, &size);
    fclose(file);
    *content = (struct text){*buffer, status == RECALL_OK ? size : 0};
    return status;
}

static bool next_number(struct text *fields, unsigned base, uint32_t *number)
{
    return text_number(text_cut(fields, ' '), base, number);
}

static bool add_synset(struct loader *loader, struct synset synset, struct node node)
{
    uint32_t index = loader->corpus->count;

    if (index == loader->capacity) {
        uint32_t capacity = loader->capacity ? 2 * loader->capacity : 4096;
        struct synset *synsets = realloc(loader->synsets, capacity * sizeof *synsets);
        if (!synsets)
            return false;
        loader->synsets = synsets;
        loader->capacity = capacity;
    }
    loader->synsets[index] = synset;
    return corpus_add_node(loader->corpus, node);
}

/* The word without the syntactic marker of adjectives: "galore(ip)" is "galore". */
static struct text without_marker(struct text word)
{
    return text_cut(&word, '(');
}

/* Takes the words off `fields` into the lexicon and notes the first in node and synset. */
static enum recall_status read_words(struct loader *loader, struct text *fields, uint32_t count,
                                     struct node *node, struct synset *synset)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sense sense = {.node = loader->corpus->count};
        sense.word = without_marker(text_cut(fields, ' '));
        if (sense.word.length == 0 || !next_number(fields, 16, &sense.lex_id))
            return RECALL_BAD_DATA;
        if (i == 0) {
            node->label = sense.word;
            synset->head_lex_id = sense.lex_id;
        }
        if (!lexicon_add(&loader->corpus->lexicon, sense))
            return RECALL_NO_RESOURCES;
    }
    return RECALL_OK;
}

/* Reads one synset; `offset` is where the line starts. */
static enum recall_status read_synset(struct loader *loader, struct text line, size_t offset)
{
    struct synset synset = {0};
    struct node node = {0};
    uint32_t word_count;
    struct text gloss = line, fields = text_cut(&gloss, '|');

    if (!next_number(&fields, 10, &synset.offset) || synset.offset != offset ||
        !next_number(&fields, 10, &synset.lex_file))
        return RECALL_BAD_DATA;
    struct text kind = text_cut(&fields, ' ');
    if (kind.length != 1 || !memchr("nvasr", kind.start[0], 5))
        return RECALL_BAD_DATA;
    if (!next_number(&fields, 16, &word_count) || word_count == 0)
        return RECALL_BAD_DATA;
    enum recall_status status = read_words(loader, &fields, word_count, &node, &synset);
    if (status != RECALL_OK)
        return status;

    while (gloss.length > 0 && gloss.start[0] == ' ')
        gloss = (struct text){gloss.start + 1, gloss.length - 1};
    while (gloss.length > 0 && gloss.start[gloss.length - 1] == ' ')
        gloss.length--;
    node.gloss = gloss;
    node.kind = kind.start[0];
    synset.pointers = fields;
    return add_synset(loader, synset, node) ? RECALL_OK : RECALL_NO_RESOURCES;
}

static enum recall_status read_data_file(struct loader *loader, const char *directory, size_t file)
{
    struct text rest;
    enum recall_status status =
        read_file(directory, file_names[file], &loader->corpus->buffers[file], &rest);
    if (status != RECALL_OK)
        return status;

    const char *start = rest.start;
    for (size_t number = 1; rest.length > 0; number++) {
        struct text line = text_cut(&rest, '\n');
        bool is_licence = line.length >= 2 && memcmp(line.start, "  ", 2) == 0;
        if (is_licence)
            continue;
        status = read_synset(loader, line, (size_t)(line.start - start));
        if (status == RECALL_NO_RESOURCES)
            return no_memory();
        if (status != RECALL_OK) {
            warnx("%s/%s:%zu: malformed synset", directory, file_names[file], number);
            return status;
        }
    }
    loader->first[file + 1] = loader->corpus->count;
    return RECALL_OK;
}

/* The node at `offset` in the file of part of speech `pos`. Offsets rise within a file. */
static bool find_node(const struct loader *loader, struct text pos, uint32_t offset, uint32_t *node)
{
    static const char part_of_file[] = "nvar";
    char part = pos.length != 1 ? '\0' : pos.start[0] == 's' ? 'a' : pos.start[0];
    const char *found = memchr(part_of_file, part, FILES);
    if (!found)
        return false;

    size_t file = (size_t)(found - part_of_file);
    uint32_t low = loader->first[file], high = loader->first[file + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (loader->synsets[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    *node = low;
    return low < loader->first[file + 1] && loader->synsets[low].offset == offset;
}

static bool relation_weight(struct text symbol, float *weight)
{
    for (size_t i = 0; i < sizeof relations / sizeof *relations; i++) {
        if (strlen(relations[i].symbol) == symbol.length &&
            memcmp(relations[i].symbol, symbol.start, symbol.length) == 0) {
            *weight = relations[i].weight;
            return true;
        }
    }
    return false;
}

static enum recall_status read_pointers(struct loader *loader, uint32_t node)
{
    struct synset *synset = &loader->synsets[node];
    struct text fields = synset->pointers;
    uint32_t count, offset;

    synset->head = node;
    if (!next_number(&fields, 10, &count))
        return RECALL_BAD_DATA;
    for (uint32_t i = 0; i < count; i++) {
        struct arc arc = {.from = node};
        struct text symbol = text_cut(&fields, ' ');
        if (!relation_weight(symbol, &arc.weight) || !next_number(&fields, 10, &offset) ||
            !find_node(loader, text_cut(&fields, ' '), offset, &arc.to))
            return RECALL_BAD_DATA;
        text_cut(&fields, ' ');
        if (symbol.start[0] == '&' && loader->corpus->nodes[node].kind == 's')
            synset->head = arc.to;
        if (!arcs_add(&loader->arcs, arc))
            return RECALL_NO_RESOURCES;
    }
    return RECALL_OK;
}

static enum recall_status build_graph(struct loader *loader, const char *directory)
{
    struct corpus *corpus = loader->corpus;

    for (uint32_t node = 0; node < corpus->count; node++) {
        enum recall_status status = read_pointers(loader, node);
        if (status == RECALL_NO_RESOURCES)
            return no_memory();
        if (status != RECALL_OK) {
            warnx("%s: malformed pointers of synset %08u (%.*s)", directory,
                  loader->synsets[node].offset, (int)corpus->nodes[node].label.length,
                  corpus->nodes[node].label.start);
            return status;
        }
    }
    return graph_build(&corpus->graph, corpus->count, &loader->arcs) ? RECALL_OK : no_memory();
}

/* The parts of a sense key, "lemma%type:lex_file:lex_id:head_word:head_id" (senseidx(5WN)). The
 * last two are empty but for adjective satellites. */
struct sense_key {
    struct text lemma, head_word;
    uint32_t type, lex_file, lex_id, head_id;
};

static bool read_sense_key(struct text text, struct sense_key *key)
{
    /* The last one: a lemma may contain a percent sign, the numbers after it don't. */
    const char *percent = text.length > 0 ? memrchr(text.start, '%', text.length) : NULL;
    if (!percent)
        return false;
    size_t length = (size_t)(percent - text.start);
    struct text rest = {percent + 1, text.length - length - 1};

    key->lemma = (struct text){text.start, length};
    if (!text_number(text_cut(&rest, ':'), 10, &key->type) ||
        !text_number(text_cut(&rest, ':'), 10, &key->lex_file) ||
        !text_number(text_cut(&rest, ':'), 10, &key->lex_id))
        return false;
    key->head_word = text_cut(&rest, ':');
    key->head_id = 0;
    return key->head_word.length == 0 || text_number(rest, 10, &key->head_id);
}

static bool is_sense(const struct loader *loader, const struct sense *sense,
                     const struct sense_key *key)
{
    static const char types[] = "?nvars";
    const struct synset *synset = &loader->synsets[sense->node];
    char kind = loader->corpus->nodes[sense->node].kind;

    if (key->type >= sizeof types - 1 || types[key->type] != kind ||
        key->lex_file != synset->lex_file || key->lex_id != sense->lex_id)
        return false;
    if (kind != 's')
        return true;
    return loader->synsets[synset->head].head_lex_id == key->head_id &&
           text_compare(loader->corpus->nodes[synset->head].label, key->head_word) == 0;
}

static void count_uses(struct loader *loader, const struct sense_key *key, uint32_t count)
{
    struct senses senses = lexicon_find(&loader->corpus->lexicon, key->lemma);

    for (size_t i = 0; i < senses.count; i++) {
        if (is_sense(loader, &senses.first[i], key)) {
            loader->uses[senses.first[i].node] += count;
            return;
        }
    }
}

/* Reads the tag counts, lines of "sense_key sense_number tag_count", into loader->uses. */
static enum recall_status read_counts(struct loader *loader, const char *directory)
{
    static const char name[] = "cntlist.rev";
    char *buffer = NULL;
    struct text rest;
    enum recall_status status = read_file(directory, name, &buffer, &rest);

    for (size_t number = 1; status == RECALL_OK && rest.length > 0; number++) {
        struct text line = text_cut(&rest, '\n');
        struct sense_key key;
        uint32_t count;
        bool valid = read_sense_key(text_cut(&line, ' '), &key);
        text_cut(&line, ' ');
        if (valid && text_number(line, 10, &count)) {
            count_uses(loader, &key, count);
        } else {
            warnx("%s/%s:%zu: malformed tag count", directory, name, number);
            status = RECALL_BAD_DATA;
        }
    }
    free(buffer);
    return status;
}

static bool build_vectors(struct corpus *corpus)
{
    float dense[VECTOR_DIMENSIONS];

    for (uint32_t i = 0; i < corpus->count; i++)
        if (!terms_count(&corpus->terms, corpus->nodes[i].gloss, i))
            return false;
    terms_weigh(&corpus->terms, corpus->count);
    for (uint32_t i = 0; i < corpus->count; i++) {
        memset(dense, 0, sizeof dense);
        terms_add(&corpus->terms, corpus->nodes[i].gloss, 1, dense);
        if (!vectors_append(&corpus->vectors, dense))
            return false;
    }
    return true;
}

static enum recall_status load(struct loader *loader, const char *directory)
{
    struct corpus *corpus = loader->corpus;
    enum recall_status status = RECALL_OK;

    for (size_t file = 0; file < FILES && status == RECALL_OK; file++)
        status = read_data_file(loader, directory, file);
    if (status != RECALL_OK)
        return status;
    if (corpus->count == 0) {
        warnx("%s: no synsets", directory);
        return RECALL_BAD_DATA;
    }
    lexicon_sort(&corpus->lexicon);
    status = build_graph(loader, directory);
    if (status != RECALL_OK)
        return status;

    loader->uses = calloc(corpus->count, sizeof *loader->uses);
    if (!loader->uses)
        return no_memory();
    status = read_counts(loader, directory);
    if (status != RECALL_OK)
        return status;
    if (!corpus_set_usage(corpus, loader->uses) || !build_vectors(corpus))
        return no_memory();
    return RECALL_OK;
}

enum recall_status wordnet_load(struct corpus *corpus, const char *directory)
{
    struct loader loader = {.corpus = corpus};
    enum recall_status status = load(&loader, directory);

    free(loader.synsets);
    free(loader.uses);
    arcs_free(&loader.arcs);
    return status;
}

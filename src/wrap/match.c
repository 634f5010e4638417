/* From specs, symbols and the unwind table to functions. */
#include "wrap/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "wrap/names.h"
#include "wrap/refuse.h"
#include "wrap/spec.h"

/* The indices of the specs whose MODULE means the object. */
static void find_specs(const struct list *specs, const struct object *object, struct list *found)
{
    const struct spec *spec = specs->items;
    for (size_t i = 0; i < specs->count; i++) {
        if (!object_fits(object, spec[i].module))
            continue;
        size_t *index = list_add(found, sizeof *index);
        if (index)
            *index = i;
    }
}

static void add_match(struct list *matches, const struct symbol *symbol, size_t spec,
                      const char *refused)
{
    struct match *match = list_add(matches, sizeof *match);
    if (match)
        *match = (struct match){.symbol = *symbol, .spec = spec, .refused = refused};
}

/* MODULE!+0xOFFSET. */
static void match_offset(const struct object *object, const struct spec *spec, size_t index,
                         struct list *matches)
{
    struct symbol symbol = {.address = object->base + spec->offset, .scope = SYMBOL_LOCAL};
    const ElfW(Phdr) *segment = object_segment(object, symbol.address);
    uintptr_t start;
    size_t size;
    const char *refused = NULL;
    if (!segment || !(segment->p_flags & PF_X))
        refused = "there is no code";
    else if (symbols_unwind(object, symbol.address, &start, &size) && start != symbol.address)
        refused = "it is inside of a function, not at its start";
    add_match(matches, &symbol, index, refused);
}

static void match_symbols(const struct list *specs, const struct list *indices,
                          const struct symbols *symbols, struct list *matches)
{
    static struct name name;
    const struct symbol *symbol = symbols->list.items;
    const struct spec *spec = specs->items;
    const size_t *index = indices->items;
    for (size_t i = 0; i < symbols->list.count; i++) {
        if (!name_set(&name, symbol[i].name))
            continue;
        for (size_t k = 0; k < indices->count; k++) {
            const char *pattern = spec[index[k]].name;
            if (pattern && name_matches(&name, pattern) &&
                (strcmp(pattern, name.symbol) == 0 || !refuse_silently(name.symbol)))
                add_match(matches, &symbol[i], index[k], NULL);
        }
    }
}

static int compare_matches(const void *left, const void *right)
{
    const struct match *a = left, *b = right;
    if (a->symbol.address != b->symbol.address)
        return a->symbol.address < b->symbol.address ? -1 : 1;
    return a->spec < b->spec ? -1 : a->spec > b->spec;
}

/* Leaves one match for each function and spec, in the order of addresses, then of specs. */
static void sort_matches(struct list *matches)
{
    struct match *match = matches->items;
    size_t kept = 0;
    if (matches->count > 1)
        qsort(match, matches->count, sizeof *match, compare_matches);
    for (size_t i = 0; i < matches->count; i++)
        if (kept == 0 || compare_matches(&match[kept - 1], &match[i]) != 0)
            match[kept++] = match[i];
    matches->count = kept;
}

/* The first match of the highest address that is not above this one; NULL when there is none. */
static struct match *find_match(const struct list *matches, uintptr_t address)
{
    struct match *match = matches->items;
    size_t low = 0, high = matches->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (match[middle].symbol.address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    for (low--; low > 0 && match[low - 1].symbol.address == match[low].symbol.address;)
        low--;
    return &match[low];
}

static bool is_better_name(const struct symbol *candidate, const struct symbol *chosen)
{
    if (!chosen->name || candidate->scope != chosen->scope)
        return !chosen->name || candidate->scope < chosen->scope;
    size_t length = strlen(candidate->name), other = strlen(chosen->name);
    return length != other ? length < other : strcmp(candidate->name, chosen->name) < 0;
}

/* Takes note of a further name of a function. */
static void add_alias(const struct object *object, const struct symbol *symbol, struct match *match)
{
    if (!match->refused)
        match->refused = refuse_reason(object, symbol);
    if (symbol->scope == SYMBOL_EXPORTED && match->alias_count < ALIASES_MAX)
        match->aliases[match->alias_count++] = symbol->name;
    size_t size = higher(match->symbol.size, symbol->size);
    if (is_better_name(symbol, &match->symbol))
        match->symbol = *symbol;
    match->symbol.size = size;
}

/* Looks at every name of each function: for the best one, for those that the dynamic linker knows,
 * and for one that must not be wrapped. Then settles the functions' sizes. */
static void look_at_names(const struct object *object, const struct symbols *symbols,
                          struct list *matches)
{
    const struct symbol *symbol = symbols->list.items;
    struct match *match = matches->items;
    const char *refused = matches->count > 0 ? refuse_object(object, symbols) : NULL;
    for (size_t i = 0; refused && i < matches->count; i++)
        match[i].refused = refused;
    for (size_t i = 0; i < symbols->list.count; i++) {
        struct match *named = find_match(matches, symbol[i].address);
        if (named && named->symbol.address == symbol[i].address)
            add_alias(object, &symbol[i], named);
    }
    for (size_t i = 0; i < matches->count; i++) {
        struct symbol *own = &match[i].symbol;
        uintptr_t start;
        size_t size;
        if (!own->name && !match[i].refused)
            match[i].refused = refuse_reason(object, own);
        if (own->size == 0 && symbols_unwind(object, own->address, &start, &size) &&
            start == own->address)
            own->size = size;
    }
    /* Another function that starts inside, as in assembly, ends what is this one's own. */
    for (size_t i = 0; i < symbols->list.count; i++) {
        struct match *before = find_match(matches, symbol[i].address - 1);
        if (before && symbol[i].address - before->symbol.address < before->symbol.size)
            before->symbol.size = symbol[i].address - before->symbol.address;
    }
}

bool match_find(const struct list *specs, const struct object *object, struct symbols *symbols,
                struct list *matches)
{
    struct list indices = {0};
    find_specs(specs, object, &indices);
    bool is_meant = indices.count > 0 && symbols_open(object, symbols);
    if (is_meant) {
        struct spec *spec = specs->items;
        const size_t *index = indices.items;
        for (size_t k = 0; k < indices.count; k++) {
            struct spec *own = &spec[index[k]];
            own->stripped = own->stripped || symbols->stripped;
            own->unread = own->unread || symbols->unread;
            own->module_seen = true;
            if (!own->name)
                match_offset(object, own, index[k], matches);
        }
        match_symbols(specs, &indices, symbols, matches);
        sort_matches(matches);
        look_at_names(object, symbols, matches);
    }
    list_free(&indices);
    return is_meant;
}

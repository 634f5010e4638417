#include "wrap/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "base/text.h"
#include "base/track.h"
#include "wrap/names.h"
#include "wrap/patch.h"
#include "wrap/refuse.h"
#include "wrap/slots.h"
#include "wrap/symbols.h"
#include "wrap/thunk.h"

/* Names of one function that the dynamic linker knows; further ones do not matter. */
#define ALIASES_MAX 8

/* A function that a spec means; the first of one address is the one that counts. */
struct match {
    struct symbol symbol; /* with the best of its names; NULL: it has none */
    size_t spec;
    const char *refused;
    const char *aliases[ALIASES_MAX];
    size_t alias_count;
};

/* ---- records --------------------------------------------------------------------------------- */

struct record {
    struct named_function *function;
    bool unloaded;
};

static struct list records;

void apply_forget(const struct object *object)
{
    struct record *record = records.items;
    for (size_t i = 0; i < records.count; i++)
        if (record[i].function->module_start == object->start)
            record[i].unloaded = true;
}

/* A record for a function; that of an unloaded function of the same name serves again, so that a
 * library which comes and goes is one site. NULL when there is no memory. */
static struct named_function *take_record(const char *label)
{
    struct record *record = records.items;
    for (size_t i = 0; i < records.count; i++) {
        if (record[i].unloaded && strcmp(record[i].function->site.label, label) == 0) {
            record[i].unloaded = false;
            return record[i].function;
        }
    }
    struct named_function *function = memory_take(sizeof *function);
    const char *copy = memory_text(label, strlen(label));
    record = function && copy ? list_add(&records, sizeof *record) : NULL;
    if (!record)
        return NULL;
    /* Threads of the program fill in the shim's notes, each the same. */
    track_trust(function, sizeof *function);
    function->site.label = copy;
    record->function = function;
    return function;
}

/* ---- finding --------------------------------------------------------------------------------- */

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

/* ---- wrapping -------------------------------------------------------------------------------- */

#define LABEL_MAX (NAME_MAX_LENGTH + 256)

/* "module!name" */
static void make_label(const struct object *object, const struct symbol *symbol,
                       char label[LABEL_MAX])
{
    static struct name name;
    char offset[sizeof "+0x" + TEXT_NUMBER_SIZE] = "+0x";
    text_hexadecimal(offset + strlen(offset), symbol->address - object->base);
    label[0] = '\0';
    text_append(label, LABEL_MAX, object->name);
    text_append(label, LABEL_MAX, "!");
    bool is_named = symbol->name && name_set(&name, symbol->name);
    text_append(label, LABEL_MAX, is_named ? name_shown(&name) : offset);
}

static const char *redirect(const struct application *application, const struct object *object,
                            uintptr_t function, struct named_function *named)
{
    uintptr_t stub = patch_stub(named, (uintptr_t)wrap_thunk);
    if (stub == 0)
        return "there is no memory";
    named->target = function;
    if (!slots_redirect_symbols(object, function, stub))
        return "its symbol table cannot be written";
    const struct object *objects = application->objects->items;
    for (size_t i = 0; i < application->objects->count; i++)
        if (!slots_rewrite(&objects[i], function, stub))
            return "an address of it cannot be written";
    return NULL;
}

static const char *wrap_entry(const struct application *application, const struct patch *patch,
                              struct named_function *named)
{
    if (application->outcomes)
        return NULL;
    return named ? patch_apply(patch, named, (uintptr_t)wrap_thunk) : "there is no memory";
}

/* Wraps the function, or finds out how it would be. */
static void wrap(const struct application *application, const struct object *object,
                 const struct match *match, struct named_function *named, struct outcome *outcome)
{
    const struct symbol *symbol = &match->symbol;
    const ElfW(Phdr) *segment = object_segment(object, symbol->address);
    outcome->how = HOW_NOT;
    outcome->reason = match->refused;
    if (match->refused)
        return;
    uintptr_t text = object->base + segment->p_vaddr;
    struct patch_function function = {
        .start = symbol->address,
        .size = symbol->size,
        .text_start = text,
        .text_end = text + segment->p_memsz,
    };
    struct patch patch;
    outcome->reason = patch_plan(&function, &patch);
    if (!outcome->reason)
        outcome->reason = wrap_entry(application, &patch, named);
    if (!outcome->reason) {
        outcome->how = patch.nops ? HOW_NOPS : HOW_ENTRY;
        return;
    }
    outcome->not_exported = match->alias_count == 0;
    if (outcome->not_exported)
        return;
    const char *reason = NULL;
    if (!application->outcomes)
        reason =
            named ? redirect(application, object, symbol->address, named) : "there is no memory";
    if (reason) {
        outcome->reason = reason;
        return;
    }
    outcome->how = HOW_GOT;
    outcome->importers = slots_importers(application->objects->items, application->objects->count,
                                         match->aliases, match->alias_count);
}

static void count_failure(struct spec *spec, const char *label, const struct outcome *outcome)
{
    spec->failed++;
    if (spec->failed_name)
        return;
    const char *separator = strchr(label, '!');
    spec->failed_name = memory_text(separator + 1, strlen(separator + 1));
    spec->failed_reason = outcome->reason;
    spec->failed_not_exported = outcome->not_exported;
}

/* The first match of a function. */
static void settle(const struct application *application, const struct object *object,
                   const struct match *match, struct outcome *outcome, char label[LABEL_MAX])
{
    struct spec *spec = (struct spec *)application->specs->items + match->spec;
    struct named_function *named = NULL;
    make_label(object, &match->symbol, label);
    if (!match->refused && !application->outcomes)
        named = take_record(label);
    if (named) {
        named->stack_bytes = application->host->stack;
        named->module_start = object->start;
        named->module_size = object->end - object->start;
        named->retain = spec->retain;
    }
    wrap(application, object, match, named, outcome);
    outcome->offset = match->symbol.address - object->base;
    outcome->size = match->symbol.size;
}

static void settle_all(const struct application *application, const struct object *object,
                       const struct list *matches)
{
    static char label[LABEL_MAX];
    const struct match *match = matches->items;
    struct spec *specs = application->specs->items;
    struct outcome outcome = {0};
    for (size_t i = 0; i < matches->count; i++) {
        bool first = i == 0 || match[i].symbol.address != match[i - 1].symbol.address;
        if (first) {
            outcome = (struct outcome){0};
            settle(application, object, &match[i], &outcome, label);
        }
        struct spec *spec = &specs[match[i].spec];
        spec->matched++;
        if (outcome.how == HOW_NOT)
            count_failure(spec, label, &outcome);
        else if (!first)
            outcome.how = HOW_EARLIER;
        outcome.spec = match[i].spec;
        struct outcome *kept =
            application->outcomes ? list_add(application->outcomes, sizeof *kept) : NULL;
        if (!kept)
            continue;
        if (first)
            outcome.label = memory_text(label, strlen(label));
        *kept = outcome;
    }
}

void apply_object(const struct application *application, const struct object *object)
{
    struct list indices = {0}, matches = {0};
    struct symbols symbols;
    find_specs(application->specs, object, &indices);
    if (indices.count > 0 && symbols_open(object, &symbols)) {
        struct spec *specs = application->specs->items;
        const size_t *index = indices.items;
        for (size_t k = 0; k < indices.count; k++) {
            struct spec *spec = &specs[index[k]];
            spec->stripped = spec->stripped || symbols.stripped;
            spec->module_seen = true;
            if (!spec->name)
                match_offset(object, spec, index[k], &matches);
        }
        match_symbols(application->specs, &indices, &symbols, &matches);
        sort_matches(&matches);
        look_at_names(object, &symbols, &matches);
        settle_all(application, object, &matches);
        patch_planned();
        symbols_close(&symbols);
    }
    list_free(&matches);
    list_free(&indices);
}

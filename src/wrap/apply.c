/* Wrapping what match.c found, at its entry or by bindings, and what has come of each function. */
#include "wrap/apply.h"

#include <string.h>

#include "base/text.h"
#include "base/track.h"
#include "wrap/bindings.h"
#include "wrap/match.h"
#include "wrap/names.h"
#include "wrap/patch.h"
#include "wrap/thunk.h"

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

static const char *redirect(const struct apply_job *job, const struct object *object,
                            uintptr_t function, struct named_function *named)
{
    uintptr_t stub = patch_stub(named, (uintptr_t)wrap_thunk);
    if (stub == 0)
        return "there is no memory";
    named->target = function;
    if (!bindings_redirect(object, function, stub))
        return "its symbol table cannot be written";
    const struct object *objects = job->objects->items;
    for (size_t i = 0; i < job->objects->count; i++)
        if (!bindings_rewrite(&objects[i], function, stub))
            return "an address of it cannot be written";
    return NULL;
}

/* Code that a thread may be running is not overwritten: what it has executed of the first
 * instructions must not change under it. Of the program nothing runs before its own constructors,
 * but for what libraries have found by name. */
static bool may_run(const struct apply_job *job, const struct object *object,
                    const struct match *match)
{
    bool is_unknown = object->is_program && match->alias_count == 0 &&
                      object_value(object, DT_PREINIT_ARRAYSZ) == 0;
    return job->threads && !is_unknown;
}

static const char *wrap_by_entry(const struct apply_job *job, const struct object *object,
                                 const struct match *match, struct named_function *named,
                                 struct outcome *outcome)
{
    if (may_run(job, object, match))
        return "other threads run already, maybe in its first instructions";
    const struct symbol *symbol = &match->symbol;
    const ElfW(Phdr) *segment = object_segment(object, symbol->address);
    uintptr_t text = object->base + segment->p_vaddr;
    struct patch_function function = {
        .start = symbol->address,
        .size = symbol->size,
        .text_start = text,
        .text_end = text + segment->p_memsz,
    };
    struct patch patch;
    const char *reason = patch_plan(&function, &patch);
    if (!reason && !job->outcomes)
        reason = named ? patch_apply(&patch, named, (uintptr_t)wrap_thunk) : "there is no memory";
    if (!reason)
        outcome->how = patch.nops ? HOW_NOPS : HOW_ENTRY;
    return reason;
}

/* Wraps the function, or finds out how it would be. */
static void wrap(const struct apply_job *job, const struct object *object,
                 const struct match *match, struct named_function *named, struct outcome *outcome)
{
    outcome->how = HOW_NOT;
    outcome->nor = "";
    outcome->reason = match->refused;
    if (!outcome->reason)
        outcome->reason = wrap_by_entry(job, object, match, named, outcome);
    if (match->refused || !outcome->reason)
        return;
    const struct object *objects = job->objects->items;
    size_t count = job->objects->count;
    uintptr_t address = match->symbol.address;
    if (match->alias_count == 0)
        outcome->nor = ", and it is not exported";
    else if (bindings_known_otherwise(objects, count, object, address))
        outcome->nor = ", and it would have two addresses";
    if (*outcome->nor != '\0')
        return;
    const char *reason = NULL;
    if (!job->outcomes)
        reason = named ? redirect(job, object, address, named) : "there is no memory";
    if (reason) {
        outcome->reason = reason;
        return;
    }
    outcome->reason = NULL;
    outcome->how = HOW_GOT;
    outcome->importers = bindings_importers(objects, count, match->aliases, match->alias_count);
}

static void count_failure(struct spec *spec, const char *label, const struct outcome *outcome)
{
    spec->failed++;
    if (spec->failed_name)
        return;
    const char *separator = strchr(label, '!');
    spec->failed_name = memory_text(separator + 1, strlen(separator + 1));
    spec->failed_reason = outcome->reason;
    spec->failed_nor = outcome->nor;
}

/* The first match of a function. */
static void settle(const struct apply_job *job, const struct object *object,
                   const struct match *match, struct outcome *outcome, char label[LABEL_MAX])
{
    struct spec *spec = (struct spec *)job->specs->items + match->spec;
    struct named_function *named = NULL;
    make_label(object, &match->symbol, label);
    if (!match->refused && !job->outcomes)
        named = take_record(label);
    if (named) {
        named->stack_bytes = job->host->stack;
        named->module_start = object->start;
        named->module_size = object->end - object->start;
        named->retain = spec->retain;
    }
    wrap(job, object, match, named, outcome);
    outcome->offset = match->symbol.address - object->base;
    outcome->size = match->symbol.size;
}

static void settle_all(const struct apply_job *job, const struct object *object,
                       const struct list *matches)
{
    static char label[LABEL_MAX];
    const struct match *match = matches->items;
    struct spec *specs = job->specs->items;
    struct outcome outcome = {0};
    for (size_t i = 0; i < matches->count; i++) {
        bool first = i == 0 || match[i].symbol.address != match[i - 1].symbol.address;
        if (first) {
            outcome = (struct outcome){0};
            settle(job, object, &match[i], &outcome, label);
        }
        struct spec *spec = &specs[match[i].spec];
        spec->matched++;
        if (outcome.how == HOW_NOT)
            count_failure(spec, label, &outcome);
        else if (!first)
            outcome.how = HOW_EARLIER;
        outcome.spec = match[i].spec;
        struct outcome *kept = job->outcomes ? list_add(job->outcomes, sizeof *kept) : NULL;
        if (!kept)
            continue;
        if (first)
            outcome.label = memory_text(label, strlen(label));
        *kept = outcome;
    }
}

void apply_object(const struct apply_job *job, const struct object *object)
{
    struct list matches = {0};
    struct symbols symbols;
    if (match_find(job->specs, object, &symbols, &matches)) {
        settle_all(job, object, &matches);
        patch_planned();
        symbols_close(&symbols);
    }
    list_free(&matches);
}

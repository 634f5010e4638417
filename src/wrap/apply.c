/* Wrapping what match.c found, at its entry or by bindings, and what has come of each function. */
#include "wrap/apply.h"

#include <string.h>

#include "base/text.h"
#include "base/track.h"
#include "wrap/bindings.h"
#include "wrap/code.h"
#include "wrap/describe.h"
#include "wrap/match.h"
#include "wrap/names.h"
#include "wrap/patch.h"
#include "wrap/symbols.h"
#include "wrap/thunk.h"

/* ---- records --------------------------------------------------------------------------------- */

/* Of a function that is wrapped, or was: then it serves another. */
struct record {
    struct named_function *function;
    char *label;
    size_t label_bytes;
    uintptr_t place;    /* the stub at its entry; 0: none */
    uintptr_t redirect; /* the stub for what is bound to it, which stays with the record; 0: none */
    bool unloaded;
};

static struct list records;
static size_t unloaded; /* of them */

void apply_forget(const struct object *object)
{
    struct record *record = records.items;
    for (size_t i = 0; i < records.count; i++) {
        if (record[i].unloaded || record[i].function->module_start != object->start)
            continue;
        if (record[i].place != 0) {
            describe_forget(wrap_host->code, record[i].place);
            code_release(record[i].place);
        }
        record[i].place = 0;
        record[i].unloaded = true;
        unloaded++;
    }
}

/* That of an unloaded function: of the same name, so that a library which comes and goes is one
 * site, else of any. NULL: there is none. Those of one library come again in the same order. */
static struct record *find_unloaded(const char *label)
{
    static size_t next;
    struct record *record = records.items, *other = NULL;
    for (size_t i = 0; unloaded > 0 && i < records.count; i++) {
        size_t at = (next + i) % records.count;
        if (!record[at].unloaded)
            continue;
        other = &record[at];
        if (strcmp(other->label, label) == 0) {
            next = at + 1;
            break;
        }
    }
    return other;
}

static bool set_label(struct record *record, const char *label)
{
    size_t bytes = strlen(label) + 1;
    if (record->label && strcmp(record->label, label) == 0)
        return true;
    if (record->label_bytes < bytes) {
        char *room = memory_take(bytes);
        if (!room)
            return false;
        record->label = room;
        record->label_bytes = bytes;
    }
    record->function->site.label = strcpy(record->label, label);
    return true;
}

/* A record for a function; NULL when there is no memory. */
static struct record *take_record(const char *label)
{
    struct record *record = find_unloaded(label);
    if (record) {
        if (!set_label(record, label))
            return NULL;
        record->unloaded = false;
        unloaded--;
        record->function->module = NULL; /* where it was before */
        record->function->site_number = 0;
        return record;
    }
    struct named_function *function = memory_take(sizeof *function);
    struct record fresh = {.function = function};
    record = function && set_label(&fresh, label) ? list_add(&records, sizeof *record) : NULL;
    if (!record)
        return NULL;
    /* Threads of the program fill in the shim's notes, each the same. */
    track_trust(function, sizeof *function);
    *record = fresh;
    return record;
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
                            uintptr_t function, struct record *record)
{
    if (record->redirect == 0)
        record->redirect = patch_stub(record->function, (uintptr_t)wrap_thunk);
    uintptr_t stub = record->redirect;
    if (stub == 0)
        return "there is no memory";
    record->function->target = function;
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
                                 const struct match *match, struct record *record,
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
    symbols_code(object, symbol->address, &function.code_start, &function.code_end);
    struct patch patch;
    const char *reason = patch_plan(&function, &patch);
    if (!reason && job->outcomes)
        reason = patch_try(&patch);
    else if (!reason)
        reason = record ? patch_apply(&patch, record->function, (uintptr_t)wrap_thunk)
                        : "there is no memory";
    if (!reason && record) {
        record->place = patch.stub;
        describe_publish(job->host->code, patch.stub);
    }
    if (!reason)
        outcome->how = patch.nops ? HOW_NOPS : HOW_ENTRY;
    return reason;
}

/* Wraps the function, or finds out how it would be. */
static void wrap(const struct apply_job *job, const struct object *object,
                 const struct match *match, struct record *record, struct outcome *outcome)
{
    outcome->how = HOW_NOT;
    outcome->nor = "";
    outcome->reason = match->refused;
    if (!outcome->reason)
        outcome->reason = wrap_by_entry(job, object, match, record, outcome);
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
        reason = record ? redirect(job, object, address, record) : "there is no memory";
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
    struct record *record = NULL;
    make_label(object, &match->symbol, label);
    if (!match->refused && !job->outcomes)
        record = take_record(label);
    if (record) {
        struct named_function *named = record->function;
        named->stack_bytes = job->host->stack;
        named->module_start = object->start;
        named->module_size = object->end - object->start;
        named->offset = match->symbol.address - object->base;
        named->retain = spec->retain;
    }
    wrap(job, object, match, record, outcome);
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

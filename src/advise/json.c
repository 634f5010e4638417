#include "advise/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/places.h"
#include "advise/plans.h"
#include "advise/survivors.h"
#include "base/numbers.h"

#define FORMAT_VERSION 1

/* ---- values ---------------------------------------------------------------------------------- */

/* A string; bytes that are not UTF-8 become '?'. NULL: null. */
static json_t *string(const char *text)
{
    json_t *value = text ? json_string(text) : json_null();
    if (value)
        return value;
    char *ascii = need_text("%s", text);
    for (char *at = ascii; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    value = json_string(ascii);
    free(ascii);
    return value;
}

static json_t *integer(uint64_t number)
{
    return json_integer((json_int_t)number);
}

/* 0: it is not known. */
static json_t *known(double number)
{
    return number > 0 ? json_real(number) : json_null();
}

static json_t *flag(bool value)
{
    return json_boolean(value);
}

struct member {
    const char *name;
    json_t *value;
};

/* Adds members, of whose values the object takes possession. */
static void add_all(json_t *object, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, members[i].name, members[i].value);
}
#define ADD(object, ...)                                                                           \
    add_all(object, (struct member[]){__VA_ARGS__},                                                \
            sizeof((struct member[]){__VA_ARGS__}) / sizeof(struct member))

/* ---- functions ------------------------------------------------------------------------------- */

static json_t *place_object(const struct place *place)
{
    json_t *object = json_object();
    char *offset = need_text("0x%" PRIx64, place->offset);
    ADD(object, {"function", string(place->name)}, {"module", string(place->module)},
        {"offset", string(offset)}, {"file", string(place->file)},
        {"line", place->file ? integer(place->line) : json_null()});
    free(offset);
    return object;
}

/* The frames, innermost first, inlined functions among them. */
static json_t *stack_array(const struct record *record, uint32_t leaf)
{
    enum { INLINED = 16 };
    json_t *stack = json_array();
    for (uint32_t at = leaf; at != 0; at = record->frames[at].parent) {
        const struct record_frame *frame = &record->frames[at];
        struct place places[INLINED];
        size_t count = places_frames(record->modules[frame->module].path, frame->function,
                                     frame->offset, places, INLINED);
        for (size_t i = 0; i < count; i++) {
            json_array_append_new(stack, place_object(&places[i]));
            places_free(&places[i]);
        }
    }
    return stack;
}

static json_t *survivors_array(const struct advice *advice, const struct candidate *candidate)
{
    enum { STACKS_MOST = 20 };
    json_t *survivors = json_array();
    struct survivors *list = NULL;
    size_t count = candidate->is_proven ? survivors_find(advice, candidate, &list) : 0;
    for (size_t i = 0; i < lower(count, STACKS_MOST); i++) {
        json_t *object = json_object();
        ADD(object, {"calls", json_real(list[i].calls)}, {"bytes", json_real(list[i].bytes)},
            {"stack", stack_array(advice->proven, list[i].leaf)});
        json_array_append_new(survivors, object);
    }
    free(list);
    return survivors;
}

static json_t *proven_object(const struct record_tally *proven)
{
    json_t *object = json_object();
    ADD(object, {"activations", integer(proven->activations)},
        {"nested_calls", integer(proven->nested)}, {"threads", integer(proven->threads)},
        {"calls", integer(proven->calls)}, {"bytes", integer(proven->bytes)},
        {"died_inside", integer(proven->inside)},
        {"died_inside_bytes", integer(proven->inside_bytes)}, {"resizes", integer(proven->resizes)},
        {"freed_by_others", integer(proven->foreign)},
        {"surviving_activations", integer(proven->surviving)},
        {"most_bytes", integer(proven->most_bytes)}, {"most_calls", integer(proven->most_calls)},
        {"left_by_jumps", integer(proven->left)},
        {"freed_from_outside", integer(proven->freed_outside)});
    return object;
}

static json_t *candidate_object(const struct advice *advice, const struct candidate *candidate)
{
    json_t *object = place_object(&candidate->place), *sampled = json_object();
    ADD(sampled, {"calls", json_real(candidate->calls)}, {"bytes", json_real(candidate->bytes)},
        {"died_inside", json_real(candidate->inside)});
    ADD(object, {"spec", string(candidate->spec)}, {"sampled", sampled},
        {"proven", candidate->is_proven ? proven_object(&candidate->proven) : json_null()},
        {"survivors", survivors_array(advice, candidate)},
        {"expected_ratio", known(candidate->expected)});
    return object;
}

/* ---- contenders ------------------------------------------------------------------------------ */

static const char *kind_name(enum contender_kind kind)
{
    static const char *const names[] = {
        [PLAIN] = "plain",         [PROCESS] = "process", [THREAD] = "thread",
        [FUNCTIONS] = "functions", [RESET] = "reset",     [PEER] = "peer"};
    return names[kind];
}

/* The specs, as ARENASHIM_SCOPES has them. */
static char *scopes_of(const struct advice *advice, const struct contender *contender)
{
    if (contender->kind == PROCESS || contender->kind == THREAD)
        return need_text("%s", kind_name(contender->kind));
    char *scopes = need(strdup(""));
    for (size_t i = 0; i < contender->candidate_count; i++) {
        char *longer = need_text("%s%s%s%s", scopes, i > 0 ? ";" : "",
                                 contender->kind == RESET ? "reset:" : "",
                                 advice->candidates[contender->candidates[i]].spec);
        free(scopes);
        scopes = longer;
    }
    return scopes;
}

static json_t *environment_object(const struct advice *advice, const struct contender *contender)
{
    json_t *object = json_object();
    if (contender->kind == PLAIN || contender->kind == PEER)
        return object;
    char *scopes = scopes_of(advice, contender), *capacity = need_text("%zu", contender->capacity);
    ADD(object, {"ARENASHIM_SCOPES", string(scopes)});
    if (contender->capacity > 0)
        ADD(object, {"ARENASHIM_CAPACITY", string(capacity)});
    if (contender->modules)
        ADD(object, {"ARENASHIM_MODULES", string(contender->modules)});
    free(scopes);
    free(capacity);
    return object;
}

static json_t *contender_object(const struct advice *advice, const struct contender *contender)
{
    json_t *object = json_object(), *specs = json_array();
    bool is_measured = contender->rounds > 0;
    for (size_t i = 0; i < contender->candidate_count; i++)
        json_array_append_new(specs, string(advice->candidates[contender->candidates[i]].spec));
    ADD(object, {"kind", string(kind_name(contender->kind))}, {"name", string(contender->name)},
        {"options", string(contender->options ? contender->options : "")},
        {"environment", environment_object(advice, contender)}, {"specs", specs},
        {"preload", string(contender->preload)}, {"capacity", integer(contender->capacity)},
        {"expected_ratio", known(contender->expected)}, {"rounds", integer(contender->rounds)},
        {"cpu_seconds", is_measured ? json_real(contender->cpu) : json_null()},
        {"measured_ratio", known(contender->ratio)},
        {"measured_ratio_low", known(contender->ratio_low)},
        {"measured_ratio_high", known(contender->ratio_high)},
        {"peak_bytes", is_measured ? integer(contender->peak) : json_null()},
        {"end_bytes", contender->at_end > 0 ? integer(contender->at_end) : json_null()},
        {"page_faults", is_measured ? integer(contender->faults) : json_null()},
        {"rounds_that_differed", integer(contender->differed)});
    return object;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static json_t *plain_object(const struct advice *advice)
{
    const struct record_thread *counted = &advice->counted;
    json_t *object = json_object();
    ADD(object, {"cpu_seconds", json_real((advice->plain[0].cpu + advice->plain[1].cpu) / 2)},
        {"status", integer((uint64_t)advice->plain[0].status)},
        {"output_differs", flag(advice->output_differs)}, {"calls", integer(counted->calls)},
        {"bytes", integer(counted->bytes)}, {"frees", integer(counted->frees)},
        {"resizes", integer(counted->resizes)}, {"threads", integer(counted->threads)},
        {"allocation_share", json_real(advice->share)});
    return object;
}

/* What the record says of a watched run; NULL: there was none. */
static json_t *run_object(const struct record *record, double cpu)
{
    if (!record)
        return json_null();
    json_t *object = json_object();
    ADD(object, {"cpu_seconds", json_real(cpu)}, {"one_in", integer(record->every)},
        {"processes", integer(record->processes)}, {"not_recorded", integer(record->dropped)},
        {"too_deep", integer(record->too_deep)}, {"cut", integer(record->cut)},
        {"cut_by", record->cut_module > 0 && record->cut_module < RECORD_MODULES
                       ? string(record->modules[record->cut_module].path)
                       : json_null()});
    return object;
}

void json_advice(const struct advice *advice, FILE *file)
{
    static const char *const verdicts[] = {
        [VERDICT_PLAN] = "plan", [VERDICT_NONE] = "none", [VERDICT_UNCERTAIN] = "uncertain"};
    json_t *object = json_object(), *program = json_array(), *candidates = json_array(),
           *contenders = json_array();
    size_t alternative = plans_alternative(advice);
    for (char **word = advice->wish->program; *word; word++)
        json_array_append_new(program, string(*word));
    for (size_t i = 0; i < advice->candidate_count; i++)
        json_array_append_new(candidates, candidate_object(advice, &advice->candidates[i]));
    for (size_t i = 0; i < advice->contender_count; i++)
        json_array_append_new(contenders, contender_object(advice, &advice->contenders[i]));
    ADD(object, {"version", integer(FORMAT_VERSION)}, {"program", program},
        {"path", string(advice->wish->path)}, {"plain", plain_object(advice)},
        {"sampled", run_object(advice->sampled, advice->sampled_cpu)},
        {"proven", run_object(advice->proven, advice->proven_cpu)}, {"candidates", candidates},
        {"contenders", contenders}, {"verdict", string(verdicts[advice->verdict])},
        {"reason", string(advice->reason)},
        {"recommended", advice->verdict == VERDICT_PLAN
                            ? contender_object(advice, &advice->contenders[advice->best])
                            : json_null()},
        {"alternative", alternative > 0 ? contender_object(advice, &advice->contenders[alternative])
                                        : json_null()},
        {"leanest", advice->leanest > 0
                        ? contender_object(advice, &advice->contenders[advice->leanest])
                        : json_null()},
        {"seen_safe", advice->seen_safe > 0
                          ? contender_object(advice, &advice->contenders[advice->seen_safe])
                          : json_null()});
    json_dumpf(object, file, JSON_INDENT(2));
    fputs("\n", file);
    json_decref(object);
}

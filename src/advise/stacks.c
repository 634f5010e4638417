#include "advise/stacks.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/places.h"
#include "base/compiler.h"
#include "base/numbers.h"

static void *table(size_t count, size_t size)
{
    return need(calloc(count + 1, size));
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Modules by their first number: a file may have been loaded by several processes. */
static void number_modules(const struct record *record, uint32_t count, uint32_t *first)
{
    for (uint32_t i = 1; i < count; i++)
        for (first[i] = 1; first[i] < i; first[i]++)
            if (strcmp(record->modules[first[i]].path, record->modules[i].path) == 0)
                break;
}

static bool is_system(const char *module)
{
    static const char *const globs[] = {"libc.so*",      "ld-linux*.so*", "libpthread.so*",
                                        "libstdc++.so*", "libgcc_s.so*",  "libarenashim*.so*",
                                        "linux-vdso.so*"};
    const char *slash = strrchr(module, '/');
    for (size_t i = 0; i < COUNT(globs); i++)
        if (fnmatch(globs[i], slash ? slash + 1 : module, 0) == 0)
            return true;
    return false;
}

/* Functions by module and where their code begins; parts that were moved away lead to the function.
 */
struct index {
    uint32_t *slots;
    uint32_t mask;
    struct key {
        uint32_t module, number;
        uint64_t offset;
    } * keys;
    uint32_t count;
};

static struct key *find_key(struct index *index, uint32_t module, uint64_t offset)
{
    uint64_t hash = (offset * 31 + module) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t slot = (uint32_t)(hash >> 32);; slot++) {
        uint32_t *at = &index->slots[slot & index->mask];
        struct key *key = &index->keys[*at];
        if (*at != 0 && (key->module != module || key->offset != offset))
            continue;
        if (*at == 0) {
            *at = ++index->count;
            key = &index->keys[*at];
            *key = (struct key){.module = module, .offset = offset};
        }
        return key;
    }
}

static uint32_t add_function(struct stacks *stacks, const char *module, uint64_t offset)
{
    stacks->functions[++stacks->function_count] =
        (struct stack_function){.module = module,
                                .offset = offset,
                                .depth = UINT32_MAX,
                                .is_system = is_system(module),
                                .starts = places_is_start(module, offset)};
    return stacks->function_count;
}

static void number_functions(struct stacks *stacks)
{
    const struct record *record = stacks->record;
    uint32_t modules = (uint32_t)lower(record->modules_used, RECORD_MODULES);
    uint32_t first[RECORD_MODULES] = {0}, slots = 16;
    number_modules(record, modules, first);
    while (slots < 4 * stacks->frame_count)
        slots *= 2;
    struct index index = {.slots = table(slots, sizeof *index.slots),
                          .mask = slots - 1,
                          .keys = table((size_t)2 * stacks->frame_count, sizeof *index.keys)};
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        const struct record_frame *frame = &record->frames[i];
        if (frame->module == 0 || frame->module >= modules)
            continue;
        uint32_t module = first[frame->module];
        const char *path = record->modules[module].path;
        struct key *key = find_key(&index, module, frame->function);
        if (key->number == 0) {
            uint64_t entry = places_entry(path, frame->function);
            struct key *whole = find_key(&index, module, entry);
            if (whole->number == 0)
                whole->number = add_function(stacks, path, entry);
            key->number = whole->number;
        }
        stacks->function[i] = key->number;
    }
    free(index.slots);
    free(index.keys);
}

uint32_t stacks_find(const struct stacks *stacks, const char *module, uint64_t offset)
{
    for (uint32_t i = 1; i <= stacks->function_count; i++)
        if (stacks->functions[i].offset == offset &&
            strcmp(stacks->functions[i].module, module) == 0)
            return i;
    return 0;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Adds each frame's sum to its caller's. */
static void add_up(const struct stacks *stacks, double *sums)
{
    for (uint32_t i = stacks->frame_count; --i > 0;)
        sums[stacks_parent(stacks, i)] += sums[i];
}

/* What starts the program and threads: the frames of the runtime that are called by no others, and
 * the function that these call. */
static void find_starts(struct stacks *stacks)
{
    bool *begins = table(stacks->frame_count, sizeof *begins); /* all outer ones start, too */
    begins[0] = true;
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        const struct stack_function *function = &stacks->functions[stacks->function[i]];
        begins[i] = begins[stacks_parent(stacks, i)] && (function->starts || function->is_system);
    }
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        uint32_t parent = stacks_parent(stacks, i);
        /* The outermost of a stack that was cut is no start. */
        if (parent != 0 && begins[parent])
            stacks->functions[stacks->function[i]].starts = true;
    }
    free(begins);
}

static void weigh_functions(struct stacks *stacks)
{
    const struct record *record = stacks->record;
    double *calls = table(stacks->frame_count, sizeof *calls);
    double *bytes = table(stacks->frame_count, sizeof *bytes);
    double *inside = table(stacks->frame_count, sizeof *inside);
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        calls[i] = (double)record->frames[i].calls;
        bytes[i] = (double)record->frames[i].bytes;
    }
    uint32_t lives = (uint32_t)lower(record->lives_used, RECORD_LIVES);
    for (uint32_t i = 1; i < lives; i++) {
        const struct record_life *life = &record->lives[i];
        if (life->end == LIFE_INSIDE && life->bound < stacks->frame_count)
            inside[life->bound] += (double)life->calls;
    }
    add_up(stacks, calls);
    add_up(stacks, bytes);
    add_up(stacks, inside);
    stacks->calls = calls[0];
    stacks->bytes = bytes[0];
    for (uint32_t i = 1; i < stacks->frame_count; i++) {
        struct stack_function *function = &stacks->functions[stacks->function[i]];
        unsigned depth = 1;
        bool outermost = true;
        for (uint32_t at = i; (at = stacks_parent(stacks, at)) != 0; depth++)
            outermost = outermost && stacks->function[at] != stacks->function[i];
        if (!outermost)
            continue;
        function->calls += calls[i];
        function->bytes += bytes[i];
        function->inside += inside[i];
        if (depth < function->depth)
            function->depth = depth;
    }
    free(calls);
    free(bytes);
    free(inside);
}

void stacks_read(const struct record *record, struct stacks *stacks)
{
    *stacks = (struct stacks){.record = record,
                              .frame_count = (uint32_t)lower(record->frames_used, RECORD_FRAMES)};
    if (stacks->frame_count == 0)
        stacks->frame_count = 1;
    stacks->function = table(stacks->frame_count, sizeof *stacks->function);
    stacks->functions = table((size_t)2 * stacks->frame_count, sizeof *stacks->functions);
    number_functions(stacks);
    find_starts(stacks);
    weigh_functions(stacks);
}

void stacks_free(struct stacks *stacks)
{
    free(stacks->function);
    free(stacks->functions);
}

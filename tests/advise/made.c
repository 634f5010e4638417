#include "made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = 100, INTO_FUNCTION = 16 };

struct record *made_record(enum watch_mode mode)
{
    struct record *record = aligned_alloc(_Alignof(struct record), sizeof *record);
    if (!record)
        abort();
    memset(record, 0, sizeof *record);
    record->mode = mode;
    record->every = 1;
    record->modules_used = record->frames_used = record->lives_used = 1;
    return record;
}

uint32_t made_module(struct record *record, const char *path)
{
    struct record_module *module = &record->modules[record->modules_used];
    snprintf(module->path, sizeof module->path, "%s", path);
    return record->modules_used++;
}

uint32_t made_frame(struct record *record, uint32_t parent, uint32_t module, uint64_t function)
{
    record->frames[record->frames_used] = (struct record_frame){.parent = parent,
                                                                .module = module,
                                                                .offset = function + INTO_FUNCTION,
                                                                .function = function};
    return record->frames_used++;
}

uint32_t made_function(struct record *record, const char *module, uint64_t offset)
{
    struct record_function *function = &record->functions[record->functions_named];
    snprintf(function->module, sizeof function->module, "%s", module);
    function->offset = offset;
    return record->functions_named++;
}

void made_calls(struct record *record, uint32_t leaf, uint64_t calls)
{
    record->frames[leaf].calls += calls;
    record->frames[leaf].bytes += BYTES * calls;
    record->threads[0].calls += calls;
}

void made_life(struct record *record, uint32_t leaf, uint32_t bound, enum life_end end,
               uint64_t calls)
{
    record->lives[record->lives_used++] = (struct record_life){
        .leaf = leaf, .bound = bound, .end = end, .calls = calls, .bytes = BYTES * calls};
}

#include "advise/survivors.h"

#include <string.h>

#include "base/numbers.h"

/* The function's number in the record, RECORD_FUNCTIONS when it is not there. */
static uint32_t number_of(const struct record *record, const struct candidate *candidate)
{
    for (uint32_t i = 0; i < lower(record->functions_named, RECORD_FUNCTIONS); i++)
        if (record->functions[i].offset == candidate->proven.offset &&
            strcmp(record->functions[i].module, candidate->proven.module) == 0)
            return i;
    return RECORD_FUNCTIONS;
}

size_t survivors_find(const struct advice *advice, const struct candidate *candidate,
                      struct survivors *list, size_t most)
{
    const struct record *record = advice->proven;
    if (!record || !candidate->is_proven)
        return 0;
    uint32_t function = number_of(record, candidate);
    size_t count = 0;
    for (uint32_t i = 1; i < lower(record->lives_used, RECORD_LIVES); i++) {
        const struct record_life *life = &record->lives[i];
        if (life->end != LIFE_SURVIVED || life->bound != function ||
            life->leaf >= lower(record->frames_used, RECORD_FRAMES))
            continue;
        size_t at = count;
        while (at > 0 && list[at - 1].calls < (double)life->calls)
            at--;
        if (at == most)
            continue;
        count = lower(count + 1, most);
        memmove(&list[at + 1], &list[at], (count - at - 1) * sizeof *list);
        list[at] = (struct survivors){life->leaf, (double)life->calls, (double)life->bytes};
    }
    return count;
}

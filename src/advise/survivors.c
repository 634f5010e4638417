#include "advise/survivors.h"

#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "base/numbers.h"

/* The function's number in the record, RECORD_FUNCTIONS when it is not there. */
static uint32_t number_of(const struct record *record, const struct candidate *candidate)
{
    for (uint32_t i = 0; i < lower(record->functions_named, RECORD_FUNCTIONS); i++)
        if (record->functions[i].offset == candidate->place.offset &&
            strcmp(record->functions[i].module, candidate->place.module) == 0)
            return i;
    return RECORD_FUNCTIONS;
}

/* Of the frames by which stacks are told apart. */
static uint64_t key_of(const struct record *record, uint32_t leaf)
{
    uint64_t key = 0;
    for (size_t i = 0; i < SURVIVORS_FRAMES && leaf != 0; i++) {
        const struct record_frame *frame = &record->frames[leaf];
        key = (key ^ frame->offset ^ (uint64_t)frame->module << 48) * UINT64_C(0x9e3779b97f4a7c15);
        leaf = frame->parent;
    }
    return key;
}

static int compare_keys(const void *left, const void *right)
{
    const struct survivors *a = left, *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

static int compare_calls(const void *left, const void *right)
{
    const struct survivors *a = left, *b = right;
    return a->calls > b->calls ? -1 : a->calls < b->calls;
}

/* Leaves one entry for each key, and sets the shares. */
static size_t merge(struct survivors *list, size_t count)
{
    double all = 0;
    size_t kept = 0;
    qsort(list, count, sizeof *list, compare_keys);
    for (size_t i = 0; i < count; i++) {
        all += list[i].calls;
        if (kept > 0 && list[kept - 1].key == list[i].key) {
            list[kept - 1].calls += list[i].calls;
            list[kept - 1].bytes += list[i].bytes;
        } else {
            list[kept++] = list[i];
        }
    }
    for (size_t i = 0; i < kept; i++)
        list[i].share = list[i].calls / all;
    qsort(list, kept, sizeof *list, compare_calls);
    return kept;
}

size_t survivors_find(const struct advice *advice, const struct candidate *candidate,
                      struct survivors **list)
{
    const struct record *record = advice->proven;
    uint32_t lives = (uint32_t)lower(record->lives_used, RECORD_LIVES);
    uint32_t function = number_of(record, candidate);
    size_t count = 0;
    *list = need(calloc(lives + 1, sizeof **list));
    for (uint32_t i = 1; i < lives; i++) {
        const struct record_life *life = &record->lives[i];
        if (life->end == LIFE_SURVIVED && life->bound == function && life->calls > 0)
            (*list)[count++] = (struct survivors){.leaf = life->leaf,
                                                  .calls = (double)life->calls,
                                                  .bytes = (double)life->bytes,
                                                  .key = key_of(record, life->leaf)};
    }
    return merge(*list, count);
}

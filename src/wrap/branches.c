#include "wrap/branches.h"

#include <emmintrin.h>
#include <string.h>

#include "wrap/instruction.h"

#define TARGETED "a branch goes to its first bytes"

/* ---- in the function ------------------------------------------------------------------------- */

static const char *judge(const struct instruction *instruction, uintptr_t start, uintptr_t entry,
                         uintptr_t end)
{
    if (instruction->target > entry && instruction->target < end)
        return TARGETED;
    if (instruction->operand > entry && instruction->operand < end)
        return "it refers to its first bytes";
    if (instruction->flow != FLOW_CALL && instruction->target >= start &&
        instruction->target <= entry)
        return "its first instruction is the head of a loop";
    return NULL;
}

/* A function of unknown size goes on behind an instruction from which execution does not come back
 * when a branch of it went further before. */
static bool goes_on(const struct instruction *instruction, uintptr_t *furthest)
{
    uintptr_t next = instruction->address + instruction->length;
    if (instruction->flow == FLOW_BRANCH && instruction->target > *furthest)
        *furthest = instruction->target;
    return (instruction->flow != FLOW_JUMP && instruction->flow != FLOW_AWAY) || next <= *furthest;
}

static const char *in_function(const struct patch_function *function, uintptr_t entry,
                               uintptr_t end)
{
    uintptr_t at = function->start, furthest = end;
    uintptr_t stop = function->size ? function->start + function->size : function->text_end;
    while (at < stop) {
        struct instruction instruction;
        if (!instruction_decode(&instruction, (const unsigned char *)at, function->text_end - at,
                                at))
            return function->size ? "it holds bytes that are no instruction" : NULL;
        const char *reason = judge(&instruction, function->start, entry, end);
        if (reason)
            return reason;
        if (function->size == 0 && !goes_on(&instruction, &furthest))
            break;
        at += instruction.length;
    }
    return NULL;
}

/* ---- around it ------------------------------------------------------------------------------- */

/* What a short branch spans, and what decoding from anywhere takes to fall in with the instructions
 * as they are. */
#define SHORT_REACH 130
#define FALL_IN 128

/* Code of other functions: a library's own assembly enters functions at a second place. */
static const char *in_neighbours(const struct patch_function *function, uintptr_t from,
                                 uintptr_t to, uintptr_t entry, uintptr_t end)
{
    for (uintptr_t at = from; at < to;) {
        struct instruction instruction;
        if (!instruction_decode(&instruction, (const unsigned char *)at, function->text_end - at,
                                at)) {
            at++;
            continue;
        }
        if (instruction.target > entry && instruction.target < end)
            return TARGETED;
        at += instruction.length;
    }
    return NULL;
}

static const char *in_code_before(const struct patch_function *function, uintptr_t entry,
                                  uintptr_t end)
{
    uintptr_t from = function->text_start;
    if (function->start - from > SHORT_REACH + FALL_IN)
        from = function->start - SHORT_REACH - FALL_IN;
    return in_neighbours(function, from, function->start, entry, end);
}

static const char *in_code_behind(const struct patch_function *function, uintptr_t entry,
                                  uintptr_t end)
{
    uintptr_t to = function->text_end;
    if (to - end > SHORT_REACH)
        to = end + SHORT_REACH;
    return in_neighbours(function, function->start + function->size, to, entry, end);
}

/* ---- in the segment -------------------------------------------------------------------------- */

/* Judges 4 bytes as the end of a branch, which it is by what is in front of them. A function is not
 * entered by a conditional branch; its parts that are hardly ever run are. */
static const char *judge_distance(const unsigned char *distance,
                                  const struct patch_function *function, uintptr_t entry,
                                  uintptr_t end)
{
    int32_t value;
    memcpy(&value, distance, sizeof value);
    uintptr_t target = (uintptr_t)distance + sizeof value + (uintptr_t)value;
    if (target < function->start || target >= end)
        return NULL;
    size_t before = (uintptr_t)distance - function->text_start;
    bool plain = before >= 1 && (distance[-1] == 0xe8 || distance[-1] == 0xe9);
    bool conditional = before >= 2 && distance[-2] == 0x0f && distance[-1] >> 4 == 0x8;
    if (target > entry)
        return plain || conditional ? TARGETED : NULL;
    return conditional ? "it is a part of another function" : NULL;
}

/* True when one of 16 distances, in the 19 bytes from `at`, may lead to [first, first + count):
 * in arithmetic of 32 bits. Unsigned compares are signed ones with the sign turned. */
static bool may_land(const unsigned char *at, uintptr_t first, uint32_t count)
{
    const __m128i sign = _mm_set1_epi32((int)0x80000000);
    const __m128i bound = _mm_xor_si128(_mm_set1_epi32((int)count), sign);
    __m128i hits = _mm_setzero_si128();
    for (int shift = 0; shift < 4; shift++) {
        int start = (int)((uintptr_t)at + (unsigned)shift + 4 - first);
        __m128i ends = _mm_add_epi32(_mm_set1_epi32(start), _mm_setr_epi32(0, 4, 8, 12));
        __m128i distances = _mm_loadu_si128((const __m128i *)(at + shift));
        __m128i places = _mm_xor_si128(_mm_add_epi32(ends, distances), sign);
        hits = _mm_or_si128(hits, _mm_cmplt_epi32(places, bound));
    }
    return _mm_movemask_epi8(hits) != 0;
}

static const char *in_segment(const struct patch_function *function, uintptr_t entry, uintptr_t end)
{
    const unsigned char *stop = (const unsigned char *)function->text_end;
    uint32_t count = (uint32_t)(end - function->start);
    const unsigned char *at = (const unsigned char *)function->text_start;
    for (; stop - at >= 4; at += 16) {
        if (stop - at >= 19 && !may_land(at, function->start, count))
            continue;
        for (const unsigned char *p = at; p < at + 16 && stop - p >= 4; p++) {
            const char *reason = judge_distance(p, function, entry, end);
            if (reason)
                return reason;
        }
    }
    return NULL;
}

const char *branches_forbid(const struct patch_function *function, uintptr_t entry, uintptr_t end)
{
    const char *reason = in_function(function, entry, end);
    if (!reason)
        reason = in_code_before(function, entry, end);
    if (!reason)
        reason = in_code_behind(function, entry, end);
    return reason ? reason : in_segment(function, entry, end);
}

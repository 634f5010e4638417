/* Looks for branches to overwritten bytes: in the function, around it, in all of its segment. */
#include "wrap/branches.h"

#include <errno.h>
#include <sys/mman.h>

#include "wrap/instruction.h"
#include "wrap/scan.h"

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
    uintptr_t stop = patch_function_end(function);
    while (at < stop) {
        struct instruction instruction;
        if (!instruction_at(&instruction, at, function->text_end))
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

/* Code of other functions: a library's own assembly enters functions at a second place. */
static const char *in_neighbours(const struct patch_function *function, uintptr_t from,
                                 uintptr_t to, uintptr_t entry, uintptr_t end)
{
    for (uintptr_t at = from; at < to;) {
        struct instruction instruction;
        if (!instruction_at(&instruction, at, function->text_end)) {
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

/* For each byte of a segment, one bit: whether a branch may go there, short ones aside, and whether
 * a conditional one may. Whatever looks like a branch is one here. */
static struct {
    uintptr_t start, size;
    unsigned char *any, *conditional; /* one mapping; NULL: there is none */
} seen;

static size_t bits(size_t size)
{
    return (size + 7) / 8;
}

static void see(uintptr_t target, bool conditional)
{
    uintptr_t place = target - seen.start;
    unsigned char *marks = conditional ? seen.conditional : seen.any;
    if (place < seen.size)
        marks[place / 8] |= (unsigned char)(1 << place % 8);
}

static bool is_seen(const unsigned char *marks, uintptr_t address)
{
    uintptr_t place = address - seen.start;
    return place < seen.size && (marks[place / 8] >> place % 8 & 1);
}

static bool see_segment(uintptr_t start, uintptr_t end)
{
    if (seen.any && seen.start == start && seen.size == end - start)
        return true;
    branches_forget();
    seen.start = start;
    seen.size = end - start;
    void *memory =
        mmap(NULL, 2 * bits(seen.size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    seen.any = memory;
    seen.conditional = seen.any + bits(seen.size);
    scan_branches(start, end, see);
    return true;
}

void branches_forget(void)
{
    if (seen.any)
        munmap(seen.any, 2 * bits(seen.size));
    seen.any = NULL;
}

/* A function is not entered by a conditional branch; its parts that are hardly ever run are. */
static const char *in_segment(const struct patch_function *function, uintptr_t entry, uintptr_t end)
{
    int saved = errno;
    bool known = function->code_end != 0;
    bool done = see_segment(known ? function->code_start : function->text_start,
                            known ? function->code_end : function->text_end);
    errno = saved;
    if (!done)
        return "there is no memory to look for branches to it";
    for (uintptr_t inside = entry + 1; inside < end; inside++)
        if (is_seen(seen.any, inside) || is_seen(seen.conditional, inside))
            return TARGETED;
    if (is_seen(seen.conditional, function->start))
        return "it is a part of another function";
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

#include "thread/misuse.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"
#include "base/probe.h"
#include "base/text.h"
#include "next/fixed.h"

static uint64_t counts[MISUSE_KINDS];

static const char *const texts[MISUSE_KINDS] = {
    [MISUSE_END_WITHOUT_BEGIN] = "arena_scope_end without arena_scope_begin",
    [MISUSE_OTHER_THREAD] = "arena_scope_end with a token of another thread",
    [MISUSE_ENDED_ALREADY] = "arena_scope_end of a scope that has ended already",
    [MISUSE_PAUSED] = "arena_scope_pause without arena_scope_resume before the scope's end",
    [MISUSE_HELD] =
        "a scope was held while its coroutine waited, or by an object: it drops others' blocks",
    [MISUSE_RESUME] = "arena_scope_resume without arena_scope_pause",
    [MISUSE_DOUBLE_FREE] = "double free of scope memory at ",
    [MISUSE_NOT_A_BLOCK] = "free of a pointer into scope memory that is not a block, ",
};

void misuse_report(enum misuse kind, const void *detail)
{
    bool fatal = (kind == MISUSE_DOUBLE_FREE || kind == MISUSE_NOT_A_BLOCK) &&
                 (fixed.config.debug & DEBUG_VERIFY);
    PROBE(misuse, texts[kind], detail);
    if (__atomic_fetch_add(&counts[kind], 1, __ATOMIC_RELAXED) > 0 && !fatal)
        return;
    struct text line;
    text_message(&line);
    text_str(&line, texts[kind]);
    if (detail)
        text_address(&line, (uintptr_t)detail);
    if (fatal)
        text_str(&line, " (ARENASHIM_DEBUG=verify)");
    else
        text_str(&line, kind == MISUSE_HELD ? " (further ones are only counted)"
                                            : "; ignored (further ones are only counted)");
    text_end(&line);
    if (fatal)
        check_abort();
}

void misuse_after_fork(void)
{
    for (size_t i = 0; i < MISUSE_KINDS; i++)
        counts[i] = 0;
}

uint64_t misuse_count(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < MISUSE_KINDS; i++)
        sum += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
    return sum;
}

#include "scope/automatic.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "engine/block.h"
#include "next/fixed.h"
#include "scope/scope.h"

static const arena_scope_site process_site = {"process", NULL, 0, 0};
static const arena_scope_site thread_site = {"thread", NULL, 0, 0};

bool automatic_enter(void)
{
    if (hot.apart || hot.unavailable)
        return false;
    if (!hot.thread && !thread_acquire()) {
        hot.apart = true;
        return false;
    }
    /* Scopes of a signal handler may come and go meanwhile, but not a second automatic one: nobody
     * would end it before this one goes on. */
    hot.unavailable = true;
    signal_fence();
    if (hot.thread->depth == 0)
        scope_begin_automatic(hot.thread,
                              fixed.config.scopes == SCOPES_PROCESS ? &process_site : &thread_site);
    signal_fence();
    hot.unavailable = false;
    return true;
}

static void *automatic_serve(const struct request *request)
{
    return automatic_enter() ? block_serve(request) : BLOCK_PASS;
}

static void *automatic_malloc(size_t size)
{
    struct request request = {.size = size, .caller = CALLER()};
    void *block = automatic_serve(&request);
    return block == BLOCK_PASS ? fixed.next.malloc(size) : block;
}

static void *automatic_calloc(size_t count, size_t size)
{
    struct request request = {.zeroed = true, .caller = CALLER()};
    if (__builtin_mul_overflow(count, size, &request.size))
        request.size = SIZE_MAX; /* refused by whoever serves it */
    void *block = automatic_serve(&request);
    return block == BLOCK_PASS ? fixed.next.calloc(count, size) : block;
}

void automatic_start(void)
{
    if (fixed.config.scopes == SCOPES_NONE)
        return;
    hot.apart = fixed.config.scopes == SCOPES_THREAD;
    fixed.outside.malloc = automatic_malloc;
    fixed.outside.calloc = automatic_calloc;
    fixed.outside.serve = automatic_serve;
}

#include "scope/automatic.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "engine/block.h"
#include "engine/trim.h"
#include "next/fixed.h"
#include "scope/open.h"
#include "scope/process.h"

static const arena_scope_site process_site = {"process", NULL, 0, 0};
static const arena_scope_site thread_site = {"thread", NULL, 0, 0};

static void open_automatic(struct thread *thread)
{
    bool is_process = fixed.config.scopes == SCOPES_PROCESS;
    size_t site = sites_find(is_process ? &process_site : &thread_site);
    thread->automatic = fixed.config.scopes;
    scope_open(thread, &thread->sites[site], fixed.config.end != END_RESET, NULL);
}

/* Opens the calling thread's scope, if there is to be one. Out of scope. False when there is none.
 */
static bool automatic_enter(void)
{
    if (hot.unscoped || hot.unavailable)
        return false;
    process_look();
    if (!hot.thread && !thread_acquire()) {
        hot.unscoped = true;
        return false;
    }
    /* Scopes of a signal handler may come and go meanwhile, but not a second automatic one: nobody
     * would end it before this one goes on. */
    hot.unavailable = true;
    signal_fence();
    if (hot.thread->depth == 0)
        open_automatic(hot.thread);
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

struct thread *scope_thread(void)
{
    process_look();
    if (UNLIKELY(fixed.config.scopes != SCOPES_NONE) && (!hot.thread || hot.thread->depth == 0))
        automatic_enter();
    /* An arena of the process's scope may hold blocks that other scopes must not lie under. */
    if (!hot.thread && (fixed.config.scopes == SCOPES_PROCESS || !thread_acquire()))
        return NULL;
    struct thread *thread = hot.thread;
    if (thread->modules.generation != modules_generation()) {
        hot.module_size = 0;
        thread->modules = (struct module_cache){.generation = modules_generation()};
        if (thread->unloads != modules_unloads) {
            thread->unloads = modules_unloads;
            memset(thread->site_cache, 0, sizeof thread->site_cache); /* labels of the unloaded */
        }
        if (!trim_as_asked(thread))
            thread->modules.generation--; /* so that the next begin comes here, too */
    }
    return thread;
}

void automatic_start(void)
{
    if (fixed.config.scopes == SCOPES_NONE)
        return;
    hot.unscoped = fixed.config.scopes == SCOPES_THREAD;
    fixed.outside.malloc = automatic_malloc;
    fixed.outside.calloc = automatic_calloc;
    fixed.outside.serve = automatic_serve;
}

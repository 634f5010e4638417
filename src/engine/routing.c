#include "base/text.h"
#include "engine/request.h"

/* All the program's calls come from a library before ours, and none is routed. */
static COLD void say_wrapped(const struct module *module)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "behind ");
    text_str(&line, module->name);
    text_str(&line, ", which makes the calls in the program's place, so that they are not routed: "
                    "put libarenashim.so first in LD_PRELOAD, or name that library in "
                    "ARENASHIM_MODULES");
    text_end(&line);
}

/* The module of the function that the innermost wrapped call is of: when the function ends in a
 * jump to malloc, the call seems to come from the wrapper. */
static const struct module *wrapped_module(const struct thread *thread)
{
    for (uint64_t depth = thread->depth; depth > 0; depth--)
        if (thread->frames[depth - 1].call != 0)
            return thread->frames[depth - 1].module;
    return NULL;
}

bool is_throwing(const struct thread *thread)
{
    for (uint64_t depth = thread->depth; depth > 0; depth--)
        if (thread->frames[depth - 1].token == thread->throwing)
            return true;
    return false;
}

/*
 * Whether the call belongs to an exception that the program draws by code of its own. From the
 * drawing of the object on its constructor draws what it holds by the same operators as all others:
 * so the scope that the exception may leave serves nobody any more, nor do those begun in it. Else
 * the module's part that holds the caller, without that code, is the fast path's from then on.
 */
static bool draws_exception(struct thread *thread, const struct module *module, uintptr_t caller)
{
    uintptr_t start = module->start, end = start + module->size;
    const struct region *thrower = &fixed.thrower;
    bool throwing = is_throwing(thread);
    if (thrower->start - start < module->size) {
        if (caller < thrower->start)
            end = thrower->start;
        else if (caller - thrower->start >= thrower->size)
            start = thrower->start + thrower->size;
        else if (!throwing) {
            thread->throwing = thread_innermost(thread)->token;
            throwing = true;
        }
    }
    hot_use_module(start, throwing || thread->trace.draws ? 0 : end - start);
    return throwing;
}

static bool takes_part(struct thread *thread, uintptr_t caller)
{
    struct passed *passed = &thread->passed;
    bool retains = thread_innermost(thread)->retains;
    const struct module *module = modules_find(&thread->modules, caller);
    if (module && UNLIKELY(module->is_wrapper))
        module = wrapped_module(thread);
    if (!module) {
        passed->unknown++;
        return false;
    }
    bool everybody =
        (retains && fixed.everybody) || (thread->automatic == SCOPES_PROCESS && thread->depth == 1);
    if (!modules_participates(module, everybody)) {
        passed->modules[module->number]++;
        if (UNLIKELY(fixed.wrapper - module->start < module->size))
            say_wrapped(module);
        return false;
    }
    if (retains)
        return true;
    /* A module that has no mark must not stay in use in a scope that it begins: the next begin is
     * to go the slow way, which enters the mark. */
    if (everybody)
        thread->modules.generation = modules_generation() - 1;
    if (LIKELY(!draws_exception(thread, module, caller)))
        return true;
    passed->paused++;
    return false;
}

bool is_routed(struct thread *thread, uintptr_t caller)
{
    const struct frame *frame = thread_innermost(thread);
    if (frame->pauses > 0)
        thread->passed.paused++;
    else if ((frame->retains ? !fixed.judges : caller - hot.module_start < hot.module_size) ||
             takes_part(thread, caller))
        return true;
    frame->stats->passed++;
    return false;
}

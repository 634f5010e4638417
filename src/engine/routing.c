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
    hot_use_module(module->start, module->size);
    return true;
}

bool is_routed(struct thread *thread, uintptr_t caller)
{
    const struct frame *frame = thread_innermost(thread);
    if (frame->pauses > 0) {
        thread->passed.paused++;
        return false;
    }
    if (frame->retains ? !fixed.judges : caller - hot.module_start < hot.module_size)
        return true;
    return takes_part(thread, caller);
}

#include "watch/backtrace.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <unwind.h>

#include "base/find_object.h"
#include "watch/tables.h"

struct walk {
    struct backtrace *backtrace;
    uintptr_t *cfa;  /* of the frame before, still unknown; NULL: that is left off */
    uint32_t module; /* of the frame before */
    uintptr_t base;  /* of that */
    bool ended;
};

/* The frame's own canonical frame address is what the unwinder has when it comes to the next one:
 * the stack pointer there, which within a function changes, as it does here for the frame. */
static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    struct backtrace *backtrace = walk->backtrace;
    int interrupted = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &interrupted);
    if (walk->cfa)
        *walk->cfa = _Unwind_GetCFA(context);
    walk->cfa = NULL;
    walk->ended = address == 0;
    if (walk->ended)
        return _URC_NO_REASON;
    /* As a return address, which is looked up one byte in front. */
    address += interrupted != 0;
    struct dl_find_object object = {.dlfo_link_map = NULL};
    bool found = _dl_find_object((void *)(address - 1), &object) == 0;
    walk->module = found ? tables_module(object.dlfo_link_map) : 0;
    walk->base = found ? object.dlfo_link_map->l_addr : 0;
    if (walk->module == TABLES_OWN)
        return _URC_NO_REASON;
    if (backtrace->depth == RECORD_DEPTH) {
        backtrace->deep = 1;
        return _URC_NORMAL_STOP;
    }
    backtrace->frames[backtrace->depth] = (struct record_frame){
        .module = walk->module,
        .offset = address - walk->base,
        .function = _Unwind_GetRegionStart(context) - walk->base,
    };
    walk->cfa = &backtrace->cfa[backtrace->depth++];
    return _URC_NO_REASON;
}

/* The last frame is one that the unwinder knows nothing of. The dynamic linker's own start is the
 * outermost of those that it calls. */
void backtrace_take(struct backtrace *backtrace)
{
    struct walk walk = {.backtrace = backtrace};
    backtrace->depth = backtrace->deep = backtrace->cut = backtrace->cut_module = 0;
    _Unwind_Backtrace(step, &walk);
    if (walk.ended || backtrace->deep)
        return;
    if (walk.cfa)
        backtrace->depth--;
    backtrace->cut = walk.base == 0 || walk.base != getauxval(AT_BASE);
    backtrace->cut_module = walk.module == TABLES_OWN ? 0 : walk.module;
}

#include "scope/named.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/text.h"
#include "next/fixed.h"
#include "next/part.h"
#include "scope/automatic.h"
#include "scope/close.h"
#include "scope/open.h"
#include "scope/stack.h"

/* ---- the slow forms of enter and leave ------------------------------------------------------- */

/* Whether calls that drop may be scopes here. On a stack that the thread leaves and comes back to
 * (a coroutine's) they do not end in the order in which they began, and what one drops another
 * uses. A signal handler returns before what it has interrupted goes on. */
static bool may_drop(struct thread *thread, const struct named_call *call)
{
    stack_t signal_stack;
    stack_find(thread);
    return stack_is_own(thread, (uintptr_t)call) ||
           (sigaltstack(NULL, &signal_stack) == 0 && (signal_stack.ss_flags & SS_ONSTACK));
}

void named_enter_slowly(struct named_call *call)
{
    int saved_errno = errno;
    struct thread *thread = scope_thread();
    call->token = 0;
    if (thread) {
        bool elsewhere = scope_close_left(thread, (uintptr_t)call);
        struct named_function *function = call->function;
        const struct module *module = scope_mark_module(thread, function->module_start);
        if (!__atomic_load_n(&function->site_number, __ATOMIC_RELAXED))
            __atomic_store_n(&function->site_number, sites_find(&function->site) + 1,
                             __ATOMIC_RELAXED);
        __atomic_store_n(&function->module, module, __ATOMIC_RELEASE);
        if (!function->retain && !may_drop(thread, call)) {
            thread->other_stacks++;
        } else if (thread->depth < SCOPE_DEPTH_MAX) {
            struct site_stats *stats = &thread->sites[function->site_number - 1];
            call->token = scope_open(thread, stats, function->retain, module).id;
            open_note_call(thread, (uintptr_t)call, module);
            /* So that the next begin looks here again, wherever it is. */
            if (elsewhere)
                thread->call = 0;
        }
    }
    errno = saved_errno;
}

/* Whether all scopes from that depth on retain. */
static bool all_retain(const struct thread *thread, uint64_t depth)
{
    while (depth < thread->depth && thread->frames[depth].retains)
        depth++;
    return depth == thread->depth;
}

/* The scope may have ended: with an outer one, or as one that seemed to have been left. Inner ones
 * have been left by a jump, but those of a call on another stack may be the thread's own, which
 * goes on: then it stays open until it counts as left. */
void named_leave_slowly(struct named_call *call)
{
    int saved_errno = errno;
    struct thread *thread = hot.thread;
    for (uint64_t depth = thread ? thread->depth : 0; depth > 0; depth--) {
        if (thread->frames[depth - 1].token != call->token)
            continue;
        if (all_retain(thread, depth) || may_drop(thread, call)) {
            scope_count_left(thread, depth);
            scope_close_down_to(thread, depth - 1);
        }
        break;
    }
    call->token = 0;
    errno = saved_errno;
}

/* ---- start ----------------------------------------------------------------------------------- */

static struct named_code code[NAMED_CODE_MAX];

void named_settle(const struct config *config)
{
    fixed.named = (struct named_host){
        .enter = named_enter,
        .enter_slowly = named_enter_slowly,
        .leave = named_leave,
        .leave_slowly = named_leave_slowly,
        .stack_bytes = named_stack_bytes,
        .specs = config->specs,
        .file = config->scope_file,
        .code = code,
        .stack = config->stack,
        .retain = config->end != END_RESET,
        .quiet = config->specs_inherited,
        .strict = config->scope_strict && !config->specs_inherited,
        .list = config->scope_list,
    };
}

void named_start(const struct named_host *host)
{
    if (*host->specs == '\0' && *host->file == '\0')
        return;
    int saved_errno = errno;
    named_start_function *start = (named_start_function *)part_load(NAMED_PART, NAMED_START);
    if (start) {
        start(host);
    } else {
#ifdef NO_WRAP_REASON
        struct text line;
        text_message(&line);
        text_str(
            &line,
            "no function is wrapped: this libarenashim.so was built without that: " NO_WRAP_REASON);
        text_end(&line);
#else
        part_say_missing("no function is wrapped", NAMED_PART);
#endif
        if (host->strict || host->list) {
            WRITE_COVERAGE();
            syscall(SYS_exit_group, 125); /* past the statistics of _exit */
        }
    }
    errno = saved_errno;
}

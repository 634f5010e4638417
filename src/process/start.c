#include "process/start.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/find_object.h"
#include "base/page.h"
#include "base/text.h"
#include "base/track.h"
#include "engine/block.h"
#include "engine/debug.h"
#include "engine/retain.h"
#include "next/fixed.h"
#include "next/next.h"
#include "next/objects.h"
#include "next/symbol.h"
#include "process/life.h"
#include "report/report.h"
#include "route/modules.h"
#include "route/thrower.h"
#include "scope/automatic.h"
#include "scope/named.h"
#include "settings/config.h"
#include "settings/environment.h"
#include "thread/misuse.h"
#include "thread/thread.h"

enum state { UNBORN, STARTING, ROUTING, IDLE };

static int state;

bool start_passed_by;

/* ---- is malloc ours? ------------------------------------------------------------------------- */

/*
 * The name of a function of the family that calls of the program's pass this library by, or NULL.
 * Calls them as the program would, and sees whether the calls arrive: the thread is made to look
 * like one in a scope, but has no record, which sends them to the slow paths and on to the next
 * allocator. This finds every way of being bypassed, also those that leave the symbol tables as
 * they were (Valgrind), and a library before ours may allocate in between for itself, or hand calls
 * on. A function that is given blocks must not be missing: it would be given those of arenas.
 */
static const char *find_bypassed(void)
{
    void *(*volatile any_malloc)(size_t) = (void *(*)(size_t))first_symbol("malloc");
    size_t (*volatile any_usable)(void *) = (size_t(*)(void *))first_symbol("malloc_usable_size");
    void *(*volatile any_realloc)(void *, size_t) =
        (void *(*)(void *, size_t))first_symbol("realloc");
    void (*volatile any_free)(void *) = (void (*)(void *))first_symbol("free");
    const char *bypassed = NULL;
    hot.cursor = BLOCK_PROBED;
    signal_fence();
    void *block = any_malloc(BLOCK_PROBE);
    bool ours = hot.calls > 0;
    uint64_t seen = hot.freed;
    if (ours && any_usable(block) > 0 && hot.freed == seen)
        bypassed = "malloc_usable_size";
    seen = hot.freed;
    void *moved = ours ? any_realloc(block, 2 * BLOCK_PROBE) : NULL;
    if (moved && hot.freed == seen)
        bypassed = "realloc";
    seen = hot.freed;
    any_free(moved ? moved : block);
    if (hot.freed == seen)
        bypassed = "free";
    hot = (struct hot){0};
    return ours ? bypassed : "malloc";
}

/* The object file that holds the address: its load address and name. */
static Dl_info object_of(const void *address)
{
    Dl_info object = {0};
    if (!address || !dladdr(address, &object) || !object.dli_fname)
        object.dli_fname = "an unknown object";
    return object;
}

/*
 * In a namespace of its own (dlmopen) this library sees another C library than the program does:
 * its thread keys would be taken for the program's, which would lose their values.
 */
static bool is_apart(void)
{
#ifdef LM_ID_BASE
    Dl_info info;
    struct link_map *own;
    Lmid_t namespace;
    if (dladdr1((void *)start_shim, &info, (void **)&own, RTLD_DL_LINKMAP) == 0 ||
        dlinfo(own, RTLD_DI_LMID, &namespace) != 0 || namespace == LM_ID_BASE)
        return false;
    struct text line;
    text_message(&line);
    text_str(&line, "loaded into a namespace of its own (dlmopen): this copy is idle: ");
    text_name(&line, info.dli_fname);
    text_end(&line);
    return true;
#else
    return false;
#endif
}

/* With two copies of this library in the process, calls pass through both: only the first one in
 * the search order may serve. */
static bool is_second_copy(void)
{
    Dl_info serving = object_of(first_symbol("arenashim_stats_print"));
    Dl_info own = object_of((void *)start_shim);
    if (!serving.dli_fbase || serving.dli_fbase == own.dli_fbase)
        return false;
    struct text line;
    text_message(&line);
    text_str(&line, "loaded twice: ");
    text_name(&line, serving.dli_fname);
    text_str(&line, " serves, and this copy is idle: ");
    text_name(&line, own.dli_fname);
    text_end(&line);
    return true;
}

/* A malloc before ours that hands calls on is, for us, their caller. The address of a function that
 * a program takes may lie in the program without being a definition: it leads to ours. */
static void note_wrapper(void)
{
#ifdef HAVE_DLADDR1
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    void *called = first_symbol("malloc");
    const void *own = object_of((void *)start_shim).dli_fbase;
    if (called && dladdr1(called, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && own &&
        info.dli_fbase != own && symbol && symbol->st_shndx != SHN_UNDEF)
        fixed.wrapper = (uintptr_t)called;
#endif
}

/* Says in one line who answers calls of the function instead of this library. */
static void say_bypassed(const char *function)
{
    Dl_info other = object_of(first_symbol(function));
    Dl_info own = object_of((void *)start_shim);
    struct text line;
    text_message(&line);
    text_str(&line, "not in the path: ");
    if (other.dli_fbase != own.dli_fbase) {
        text_str(&line, function);
        text_str(&line, " is that of ");
        text_name(&line, other.dli_fname);
        text_str(&line, "; libarenashim.so must be the first in LD_PRELOAD, in a program that "
                        "does not define ");
        text_str(&line, function);
        text_str(&line, " itself");
    } else if (track_emulated()) {
        text_str(&line,
                 "valgrind replaces malloc; run it with " TRACK_FLAG " (or use arenashim check)");
    } else {
        text_str(&line, "a tool in this process redirects ");
        text_str(&line, function);
    }
    text_end(&line);
}

/* ---- start ----------------------------------------------------------------------------------- */

static bool may_retain(const struct config *config)
{
    return config->end == END_RETAIN || *config->specs != '\0' || *config->scope_file != '\0' ||
           (config->scopes != SCOPES_NONE && config->end != END_RESET);
}

/* There may be fewer addresses than the user wants. Checked blocks take more than the limit says.
 */
static void say_limit(struct region_wish wish)
{
    size_t room = region_memory_end(&fixed.region, 0) - region_memory(&fixed.region, 0);
    if (!fixed.config.limit_is_set || fixed.checked || room >= wish.limit)
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "ARENASHIM_LIMIT: an arena may grow to ");
    text_uint(&line, page_down(room / 2));
    text_str(&line, " bytes, and not to ");
    text_uint(&line, fixed.config.limit);
    text_str(&line, ": there are not as many addresses");
    text_end(&line);
}

/* Without a block of the next allocator's, of which there may be none where everything is routed,
 * memcheck finds no leak. This one is none itself, since a variable leads to it. */
static void let_leaks_be_found(void)
{
    static char block[sizeof(void *)] __attribute__((aligned(16)));
    static const void *volatile kept;
    if (kept)
        return;
    kept = block;
    track_alone(block, sizeof block);
}

bool start_routing(void)
{
    fixed.region = fixed.fast = fixed.deleted = (struct region){0};
    wiped_start();
    modules_next_generation();
    /* Without either, arenas of threads that are gone would stay taken for ever. */
    if (!life_start()) {
        struct text line;
        text_message(&line);
        text_str(&line, "routing is off: the system refuses to call the shim at thread exit or "
                        "after fork");
        text_end(&line);
        return false;
    }
    if (track_active()) {
        fixed.config.debug &= DEBUG_LOG;
        let_leaks_be_found();
    }
    fixed.checked = track_active() || fixed.config.debug != 0;
    threads_retain = may_retain(&fixed.config);
    struct region_wish wish = {fixed.config.capacity,
                               fixed.config.limit * (fixed.checked ? BLOCK_CHECKED_ROOM : 1)};
    /* As much again, for scopes that retain: any mark may ask for one. */
    wish.capacity += page_size + pages_span(wish.capacity);
    wish.limit += page_size + pages_span(wish.limit);
    int saved_errno = errno;
    if (!region_reserve(&fixed.region, wish)) {
        struct text line;
        text_message(&line);
        text_str(&line, "routing is off: the system refuses the address space for one arena of ");
        text_uint(&line, fixed.config.capacity);
        text_str(&line, " bytes (");
        if (errno == 0)
            text_str(&line, "at most 1/8 of ulimit -v is taken");
        else
            text_error(&line, errno);
        text_str(&line, ")");
        text_end(&line);
        errno = saved_errno;
        return false;
    }
    say_limit(wish);
    track_roots((void *)fixed.region.start, fixed.region.size);
    fixed.thrower = thrower_find();
    fixed.bias = BLOCK_BIAS(fixed.config.align);
    fixed.mask = BLOCK_MASK(fixed.config.align);
    fixed.judges = *fixed.config.modules != '\0';
    fixed.everybody = !modules_list_marked();
    fixed.small = fixed.checked || fixed.judges ? 0 : RETAIN_SMALL;
    debug_start();
    fixed.fast = fixed.checked ? (struct region){0} : fixed.region;
    fixed.deleted = fixed.operators.deletes_in_front ? (struct region){0} : fixed.fast;
    if (fixed.checked)
        block_checked_outside(&fixed.outside);
    __atomic_store_n(&state, ROUTING, __ATOMIC_RELEASE);
    return true;
}

/* Race detectors do not see what orders the accesses to this library's variables. */
static void trust_own_variables(void)
{
    struct dl_find_object own;
    if (_dl_find_object((void *)start_shim, &own) == 0)
        track_trust(own.dlfo_map_start,
                    (uintptr_t)own.dlfo_map_end - (uintptr_t)own.dlfo_map_start);
}

static bool prepare(void)
{
    page_ask();
    trust_own_variables();
    next_resolve();
#ifdef HAVE__FORK /* before glibc 2.34 a failing dlsym ends the process in other namespaces */
    fixed.fork = (pid_t(*)(void))next_symbol("_Fork");
#endif
    fixed.leave._exit = (__typeof__(fixed.leave._exit))next_symbol("_exit");
    fixed.leave.execv = (__typeof__(fixed.leave.execv))next_symbol("execv");
    fixed.leave.execve = (__typeof__(fixed.leave.execve))next_symbol("execve");
    fixed.leave.execvp = (__typeof__(fixed.leave.execvp))next_symbol("execvp");
    fixed.leave.execvpe = (__typeof__(fixed.leave.execvpe))next_symbol("execvpe");
    fixed.leave.fexecve = (__typeof__(fixed.leave.fexecve))next_symbol("fexecve");
    objects_start();
    if (environment_wants_memcheck() && !track_active())
        return false;
    if (is_apart() || is_second_copy())
        return false;
    /* Before symbols are looked up that may not be there: dlsym frees what it notes of a failure,
     * and a wrapper's free that looks up its own successor at the first call never comes back. */
    const char *bypassed = find_bypassed();
    operators_resolve(&fixed.operators);
    if (bypassed) {
        environment_spare_others();
        say_bypassed(bypassed);
        return false;
    }
    note_wrapper();
    config_read(&fixed.config);
    environment_settle(&fixed.config);
    report_enable();
    fixed.scope = fixed.config.attended ? report_scope : NULL;
    named_settle(&fixed.config);
    if (fixed.config.disabled || *fixed.config.watch != '\0' || !start_routing())
        return false;
    automatic_start();
    return true;
}

bool start_shim(void)
{
    int seen = UNBORN;
    /* Before the C library's constructor there are no settings to be read. */
    if (!environ && __atomic_load_n(&state, __ATOMIC_RELAXED) == UNBORN)
        return false;
    if (!__atomic_compare_exchange_n(&state, &seen, STARTING, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_ACQUIRE))
        return seen == ROUTING;
    text_note_stderr();
    bool routing = prepare();
    if (!routing)
        fixed.region = fixed.fast = fixed.deleted = (struct region){0};
    fixed_seal();
    if (!routing)
        __atomic_store_n(&state, IDLE, __ATOMIC_RELEASE);
    return routing;
}

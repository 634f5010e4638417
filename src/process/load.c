/*
 * What the dynamic linker runs when libarenashim.so comes and goes, and functions of the C library
 * by which modules go and processes come.
 */
#include <dlfcn.h>
#include <unistd.h>

#include "base/compiler.h"
#include "next/fixed.h"
#include "next/symbol.h"
#include "process/leave.h"
#include "process/life.h"
#include "process/start.h"
#include "report/report.h"
#include "route/modules.h"
#include "scope/named.h"
#include "scope/watched.h"
#include "thread/thread.h"

__attribute__((constructor)) static void on_load(void)
{
    if (start_shim()) {
        named_start(&fixed.named);
        leave_start();
        report_begin();
    } else {
        watched_start();
    }
}

/*
 * The addresses of an unloaded module may be another's soon, which would then pass for a
 * participant. So each module is forgotten when it calls this function, which the compiler's
 * start-up files make it do behind its destructors, whoever unloads it. dlclose looks once more,
 * for modules that were linked without these files. The next functions are looked up each time: a
 * pointer kept for that would lie in writable memory.
 */
__attribute__((visibility("default"))) void __cxa_finalize(void *module);
void __cxa_finalize(void *module)
{
    void (*next)(void *) = (void (*)(void *))next_symbol("__cxa_finalize");
    next(module);
    if (module) {
        modules_unload((uintptr_t)module);
        threads_forget_gone();
    }
}

__attribute__((visibility("default"))) int dlclose(void *handle)
{
    int (*next)(void *) = (int (*)(void *))next_symbol("dlclose");
    int result = next(handle);
    modules_sweep();
    threads_forget_gone();
    return result;
}

#ifdef HAVE__FORK
/* No fork handlers run in its child. It may be called in a signal handler, where nothing is looked
 * up. */
__attribute__((visibility("default"))) pid_t _Fork(void)
{
    pid_t child = fixed.fork ? fixed.fork() : ((pid_t(*)(void))next_symbol("_Fork"))();
    if (child == 0)
        life_forked();
    return child;
}
#endif

#ifdef RTLD_DEEPBIND
/* There is memory of scopes, or will be: else a program's own choice of symbols stays as it is. */
static bool takes_deepbind_away(void)
{
    const struct config *config = &fixed.config;
    return config->scopes != SCOPES_NONE || config->specs[0] || config->scope_file[0] ||
           region_slots_seen() > 0;
}

/* Constructors of other libraries may call before this one has started. */
static int permitted_mode(int mode)
{
    if (!(mode & RTLD_DEEPBIND) || (mode & RTLD_NOLOAD) || !start_shim())
        return mode;
    if (takes_deepbind_away())
        return mode & ~RTLD_DEEPBIND;
    start_passed_by = true;
    return mode;
}

/*
 * A library that is loaded with RTLD_DEEPBIND calls the C library past this one, and gives it
 * blocks of arenas: the flag is taken away. A tail call, since the next dlopen looks at the address
 * that it returns to: whose run path, whose namespace?
 */
__attribute__((visibility("default"))) TAIL_CALLS void *dlopen(const char *file, int mode)
{
    void *(*next)(const char *, int) = (void *(*)(const char *, int))next_symbol("dlopen");
    return next(file, permitted_mode(mode));
}
#endif

__attribute__((destructor)) static void on_unload(void)
{
    report_at_exit(false);
}

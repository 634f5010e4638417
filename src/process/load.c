/*
 * What the dynamic linker runs when libarenashim.so comes and goes.
 */
#include <dlfcn.h>

#include "process/start.h"
#include "report/report.h"
#include "route/modules.h"
#include "scope/named.h"

__attribute__((constructor)) static void on_load(void)
{
    if (start_shim())
        named_start();
}

/*
 * The addresses of an unloaded module may be another's soon, which would then pass for a
 * participant: scopes begun from now on look modules up anew. The next dlclose is looked up each
 * time: a pointer kept for that would lie in writable memory.
 */
__attribute__((visibility("default"))) int dlclose(void *handle)
{
    int (*next)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
    int result = next(handle);
    modules_unloaded();
    return result;
}

__attribute__((destructor)) static void on_unload(void)
{
    report_at_exit();
}

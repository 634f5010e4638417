#include "next/operators.h"

#include <dlfcn.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/text.h"

static const char *const new_names[NEW_VARIANTS] = {
    [NEW] = "_Znwm",
    [NEW_ARRAY] = "_Znam",
    [NEW_NOTHROW] = "_ZnwmRKSt9nothrow_t",
    [NEW_ARRAY_NOTHROW] = "_ZnamRKSt9nothrow_t",
    [NEW_ALIGNED] = "_ZnwmSt11align_val_t",
    [NEW_ARRAY_ALIGNED] = "_ZnamSt11align_val_t",
    [NEW_ALIGNED_NOTHROW] = "_ZnwmSt11align_val_tRKSt9nothrow_t",
    [NEW_ARRAY_ALIGNED_NOTHROW] = "_ZnamSt11align_val_tRKSt9nothrow_t",
};

static const char *const delete_names[DELETE_VARIANTS] = {
    [DELETE] = "_ZdlPv",
    [DELETE_ARRAY] = "_ZdaPv",
    [DELETE_SIZED] = "_ZdlPvm",
    [DELETE_ARRAY_SIZED] = "_ZdaPvm",
    [DELETE_NOTHROW] = "_ZdlPvRKSt9nothrow_t",
    [DELETE_ARRAY_NOTHROW] = "_ZdaPvRKSt9nothrow_t",
    [DELETE_ALIGNED] = "_ZdlPvSt11align_val_t",
    [DELETE_ARRAY_ALIGNED] = "_ZdaPvSt11align_val_t",
    [DELETE_SIZED_ALIGNED] = "_ZdlPvmSt11align_val_t",
    [DELETE_ARRAY_SIZED_ALIGNED] = "_ZdaPvmSt11align_val_t",
    [DELETE_ALIGNED_NOTHROW] = "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    [DELETE_ARRAY_ALIGNED_NOTHROW] = "_ZdaPvSt11align_val_tRKSt9nothrow_t",
};

/* The C++ runtimes, by the name under which they are loaded. */
static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};

/* The definition of `name` behind the shim, NULL when it is a C++ runtime's or there is none. */
static void *find_replacement(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    Dl_info where;
    if (!function || !dladdr(function, &where) || !where.dli_fname)
        return NULL;
    const char *object = basename(where.dli_fname);
    if (strncmp(object, "libstdc++.", 10) == 0 || strncmp(object, "libc++", 6) == 0)
        return NULL;
    return function;
}

void operators_resolve(struct operators *operators)
{
    for (size_t i = 0; i < NEW_VARIANTS; i++)
        operators->new_variants[i] = (operator_new_function *)find_replacement(new_names[i]);
    for (size_t i = 0; i < DELETE_VARIANTS; i++)
        operators->delete_variants[i] =
            (operator_delete_function *)find_replacement(delete_names[i]);
}

/* A symbol of the C++ runtime in this process. The runtime may have been loaded out of the global
 * scope (a plug-in written in C++), so it is asked by its name. Aborts when there is none: the
 * operators are only called by C++ code, which cannot run without. */
static void *runtime_symbol(const char *name)
{
    for (size_t i = 0; i < COUNT(runtimes); i++) {
        void *runtime = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        if (!runtime)
            continue;
        void *symbol = dlsym(runtime, name);
        dlclose(runtime);
        if (symbol)
            return symbol;
    }
    /* dlopen itself may be short of memory. */
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol)
        return symbol;
    struct text line;
    text_message(&line);
    text_str(&line, "out of memory in operator new, and no C++ runtime to report it to");
    text_end(&line);
    check_abort();
}

void *operators_runtime_new(enum operator_new variant, size_t size, uintptr_t second,
                            uintptr_t third)
{
    operator_new_function *own = (operator_new_function *)runtime_symbol(new_names[variant]);
    return own(size, second, third);
}

void operators_refused(void)
{
    typedef void handler(void);
    handler *(*get_handler)(void) = (handler * (*)(void)) runtime_symbol("_ZSt15get_new_handlerv");
    handler *installed = get_handler();
    if (installed)
        installed();
    else
        operators_runtime_new(NEW, SIZE_MAX, 0, 0); /* too large for anyone: throws */
}

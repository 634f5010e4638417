#include "next/operators.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/text.h"
#include "next/symbol.h"

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

/* Which variant the runtime's own one calls; itself where it calls none. */
static const enum operator_new new_calls[NEW_VARIANTS] = {
    [NEW] = NEW,
    [NEW_ARRAY] = NEW,
    [NEW_NOTHROW] = NEW,
    [NEW_ARRAY_NOTHROW] = NEW_ARRAY,
    [NEW_ALIGNED] = NEW_ALIGNED,
    [NEW_ARRAY_ALIGNED] = NEW_ALIGNED,
    [NEW_ALIGNED_NOTHROW] = NEW_ALIGNED,
    [NEW_ARRAY_ALIGNED_NOTHROW] = NEW_ARRAY_ALIGNED,
};

static const enum operator_delete delete_calls[DELETE_VARIANTS] = {
    [DELETE] = DELETE,
    [DELETE_ARRAY] = DELETE,
    [DELETE_SIZED] = DELETE,
    [DELETE_ARRAY_SIZED] = DELETE_ARRAY,
    [DELETE_NOTHROW] = DELETE,
    [DELETE_ARRAY_NOTHROW] = DELETE_ARRAY,
    [DELETE_ALIGNED] = DELETE_ALIGNED,
    [DELETE_ARRAY_ALIGNED] = DELETE_ALIGNED,
    [DELETE_SIZED_ALIGNED] = DELETE_ALIGNED,
    [DELETE_ARRAY_SIZED_ALIGNED] = DELETE_ARRAY_ALIGNED,
    [DELETE_ALIGNED_NOTHROW] = DELETE_ALIGNED,
    [DELETE_ARRAY_ALIGNED_NOTHROW] = DELETE_ARRAY_ALIGNED,
};

/* ---- who defines them ------------------------------------------------------------------------ */

/* The C++ runtimes, by the name under which they are loaded. */
static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};

struct definition {
    void *function; /* NULL: the runtime's, the shim's or none */
    bool in_front;
};

/* The address of a function that a program takes may lie in the program without being one. */
static bool is_definition(void *function)
{
#ifdef HAVE_DLADDR1
    Dl_info where;
    const ElfW(Sym) *symbol = NULL;
    return dladdr1(function, &where, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol &&
           symbol->st_shndx != SHN_UNDEF;
#else
    (void)function;
    return true;
#endif
}

/* Neither the shim's nor a C++ runtime's. */
static bool is_replacement(void *function)
{
    Dl_info own, where;
    if (!function || dladdr((void *)is_replacement, &own) == 0 || dladdr(function, &where) == 0 ||
        !where.dli_fname || where.dli_fbase == own.dli_fbase || !is_definition(function))
        return false;
    const char *object = basename(where.dli_fname);
    return strncmp(object, "libstdc++.", 10) != 0 && strncmp(object, "libc++", 6) != 0;
}

/* A symbol of the C++ runtime in this process, NULL when there is none. The runtime may have been
 * loaded out of the global scope (a plug-in written in C++), so it is asked by its name, past a
 * dlopen in front of this library, which may be what is waiting for an answer. */
static void *find_in_runtime(const char *name)
{
    void *symbol = next_symbol(name);
    if (symbol && !is_replacement(symbol))
        return symbol;
    void *open = next_symbol("dlopen");
    for (size_t i = 0; open && i < COUNT(runtimes); i++) {
        void *runtime = ((void *(*)(const char *, int))open)(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
        if (!runtime)
            continue;
        symbol = dlsym(runtime, name);
        dlclose(runtime);
        if (symbol)
            return symbol;
    }
    return NULL;
}

static struct definition find_definition(const char *name)
{
    void *function = first_symbol(name);
    if (is_replacement(function))
        return (struct definition){function, true};
    function = next_symbol(name);
    return (struct definition){is_replacement(function) ? function : NULL, false};
}

static bool is_nothrow(enum operator_new variant)
{
    return new_calls[variant] != variant && strstr(new_names[variant], "nothrow");
}

/*
 * Each variant that nobody defines comes to the first one on its way that somebody does. A throwing
 * form passes its arguments on as they are; for the others the runtime catches what is thrown. With
 * `by_malloc` the runtime's own are for those that come to none.
 */
static void resolve_news(struct operators *operators, bool by_malloc)
{
    struct definition defined[NEW_VARIANTS];
    for (size_t i = 0; i < NEW_VARIANTS; i++)
        defined[i] = find_definition(new_names[i]);
    for (enum operator_new i = 0; i < NEW_VARIANTS; i++) {
        enum operator_new at = i;
        while (!defined[at].function && new_calls[at] != at)
            at = new_calls[at];
        void *function = defined[at].function;
        operators->news_in_front |= defined[at].in_front ? 1U << i : 0;
        void *own = NULL;
        if (function ? at != i && is_nothrow(i) : by_malloc)
            own = find_in_runtime(new_names[i]);
        operators->new_variants[i] = (operator_new_function *)(own ? own : function);
    }
}

/* `last` is for those that come to none, where there is such a one in front or with `by_malloc`. */
static void resolve_deletes(struct operators *operators, void *last, bool by_malloc)
{
    struct definition defined[DELETE_VARIANTS];
    for (size_t i = 0; i < DELETE_VARIANTS; i++) {
        defined[i] = find_definition(delete_names[i]);
        operators->deletes_in_front = operators->deletes_in_front || defined[i].in_front;
    }
    if (!operators->deletes_in_front && !by_malloc)
        last = NULL;
    for (enum operator_delete i = 0; i < DELETE_VARIANTS; i++) {
        enum operator_delete at = i;
        while (!defined[at].function && delete_calls[at] != at)
            at = delete_calls[at];
        void *function = defined[at].function ? defined[at].function : last;
        operators->delete_variants[i] = (operator_delete_function *)function;
    }
}

/*
 * Where malloc is somebody else's in front of the shim, in which the runtime's operators would
 * draw, they go on to do so where the shim does not serve. Where free alone is, it sees all that is
 * deleted.
 */
void operators_resolve(struct operators *operators)
{
    if (operators->resolved)
        return;
    struct operators found = {.resolved = true};
    void *first_free = first_symbol("free");
    bool has_malloc = is_replacement(first_symbol("malloc"));
    bool by_malloc = has_malloc && find_in_runtime(new_names[NEW]);
    found.deletes_in_front = is_replacement(first_free) && !has_malloc;
    resolve_news(&found, by_malloc);
    resolve_deletes(&found, first_free, by_malloc);
    if (!operators->resolved) /* another thread may have been here, and sealed them */
        *operators = found;
}

/* ---- out of memory --------------------------------------------------------------------------- */

/* The same where there must be one. Aborts when there is none: the operators are only called by C++
 * code, which cannot run without. */
static void *runtime_symbol(const char *name)
{
    void *symbol = find_in_runtime(name);
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

typedef void handler(void);
typedef handler *get_handler_function(void);
#define GET_HANDLER "_ZSt15get_new_handlerv"

bool operators_have_handler(void)
{
    get_handler_function *get_handler = (get_handler_function *)find_in_runtime(GET_HANDLER);
    return get_handler && get_handler();
}

void operators_refused(void)
{
    handler *installed = ((get_handler_function *)runtime_symbol(GET_HANDLER))();
    if (installed)
        installed();
    else
        operators_runtime_new(NEW, SIZE_MAX, 0, 0); /* too large for anyone: throws */
}

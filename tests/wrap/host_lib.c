/*
 * Stands in for the shim: a library to preload that loads the wrapping part, offers it an enter and
 * a leave that count, and at exit writes the counts to the file of HOST_COUNTS: one line for each
 * function that was called, "CALLS LABEL retain|reset STACK_BYTES".
 *
 * Compiled for general registers only, see NAMED_QUIET. HOST_WRAP is the module to load;
 * ARENASHIM_SCOPES and its kin are what they are for the shim.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope/named.h"

#define FUNCTIONS_MAX 5000
#define LABEL_MAX 400

/* From 1 on; what two threads have entered at once is without a label once. */
static struct {
    char label[LABEL_MAX]; /* the record may serve another function later */
    unsigned long calls;
    size_t stack_bytes;
    bool retain;
} counted[FUNCTIONS_MAX];
static size_t used;
static size_t open_calls;

/* The function's number; a new label has none. */
static inline size_t number_of(struct named_function *function)
{
    size_t number = __atomic_load_n(&function->site_number, __ATOMIC_ACQUIRE);
    if (number != 0)
        return number;
    size_t fresh = __atomic_add_fetch(&used, 1, __ATOMIC_RELAXED) % FUNCTIONS_MAX;
    const volatile char *label =
        function->site.label; /* no call of memcpy: it has vector registers */
    for (size_t i = 0; i < LABEL_MAX - 1 && label[i]; i++)
        counted[fresh].label[i] = label[i];
    counted[fresh].stack_bytes = function->stack_bytes;
    counted[fresh].retain = function->retain;
    if (__atomic_compare_exchange_n(&function->site_number, &number, fresh, false, __ATOMIC_RELEASE,
                                    __ATOMIC_ACQUIRE))
        return fresh;
    counted[fresh].label[0] = '\0';
    return number;
}

NAMED_QUIET static bool enter(struct named_call *call)
{
    __atomic_fetch_add(&counted[number_of(call->function)].calls, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&open_calls, 1, __ATOMIC_RELAXED);
    call->token = 1;
    return true;
}

/* Never called. */
static void enter_slowly(struct named_call *call)
{
    (void)call;
}

NAMED_QUIET static bool leave(struct named_call *call)
{
    __atomic_fetch_sub(&open_calls, call->token, __ATOMIC_RELAXED);
    return true;
}

static void leave_slowly(struct named_call *call)
{
    (void)call;
}

static size_t stack_bytes(const struct named_function *function, uintptr_t arguments)
{
    (void)arguments;
    return function->stack_bytes;
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* Exported, so that the hash table, which has no word of undefined symbols alone, counts all. */
int host_is_there = 1;

__attribute__((destructor)) static void report(void)
{
    FILE *file = getenv("HOST_COUNTS") ? fopen(getenv("HOST_COUNTS"), "w") : NULL;
    if (!file)
        return;
    for (size_t i = 1; i <= used && i < FUNCTIONS_MAX; i++)
        if (counted[i].label[0] != '\0')
            fprintf(file, "%lu %s %s %zu\n", counted[i].calls, counted[i].label,
                    counted[i].retain ? "retain" : "reset", counted[i].stack_bytes);
    if (open_calls > 0)
        fprintf(file, "open: %zu\n", open_calls);
    fclose(file);
}

__attribute__((constructor)) static void start(void)
{
    static struct named_code code[NAMED_CODE_MAX];
    static struct named_host host = {
        .code = code,
        .enter = enter,
        .enter_slowly = enter_slowly,
        .leave = leave,
        .leave_slowly = leave_slowly,
        .stack_bytes = stack_bytes,
        .stack = 256,
    };
    host.specs = setting("ARENASHIM_SCOPES");
    host.file = setting("ARENASHIM_SCOPE_FILE");
    host.retain = strcmp(setting("ARENASHIM_END"), "reset") != 0;
    host.strict = strcmp(setting("ARENASHIM_SCOPE_STRICT"), "1") == 0;
    host.list = strcmp(setting("ARENASHIM_SCOPE_LIST"), "1") == 0;
    if (*host.specs == '\0' && *host.file == '\0')
        return;
    void *module = dlopen(setting("HOST_WRAP"), RTLD_NOW | RTLD_LOCAL);
    named_start_function *begin =
        module ? (named_start_function *)dlsym(module, NAMED_START) : NULL;
    if (!begin) {
        fprintf(stderr, "host: %s\n", dlerror());
        _Exit(99);
    }
    begin(&host);
}

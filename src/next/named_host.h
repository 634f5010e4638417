/*
 * Scopes named from outside: every call of a function that the user named is a scope.
 *
 * Finding such functions and getting in front of them is the work of a part of its own (src/wrap),
 * which is loaded only when specs ask for it. This header is what the two have in common: the
 * record of a function, the record of a call, and the table through which that part calls the shim.
 */
#ifndef NEXT_NAMED_HOST_H
#define NEXT_NAMED_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <arenashim/scope.h>

/* A function whose every call is a scope. Never moved or freed: when the function is unloaded, the
 * record serves another. */
struct named_function {
    uintptr_t target;       /* what a wrapped call goes on to: the function's own code */
    size_t stack_bytes;     /* of arguments on the stack that a wrapped call passes on; of 16 */
    arena_scope_site site;  /* label "module!name"; no file */
    uintptr_t module_start; /* the module that holds the function: it participates */
    uintptr_t module_size;  /* bytes */
    uintptr_t offset;       /* of its entry, from the module's load base */
    bool retain;            /* how its scopes end: see retain.h */
    /* The shim's own notes. */
    const struct module *module; /* its record of the module; NULL before the first call, or when
                                  * the module does not participate */
    size_t site_number;          /* among all sites, from 1; 0 before the first call */
};

/* One call of it, in the stack frame of the wrapper. The shim fills it at enter and reads it at
 * leave; the address of the record tells how deep the stack is. */
struct named_call {
    struct named_function *function; /* set by the wrapper before enter */
    uint64_t token;                  /* of the scope; 0: none was opened */
};

/*
 * Copies of code, which no object file describes, and what unwinders are told of them. They lie in
 * mappings of NAMED_CODE_BYTES at multiples of that; a bit for each NAMED_CODE_GRAIN bytes tells
 * where one begins. The shim finds them for unwinders (process/find_object.c).
 */
#define NAMED_CODE_MAX 256
#define NAMED_CODE_BYTES ((uintptr_t)64 << 10)
#define NAMED_CODE_GRAIN 16
#define NAMED_CODE_WORDS (NAMED_CODE_BYTES / NAMED_CODE_GRAIN / 64)
struct named_code {
    uintptr_t start;  /* of the mapping that it serves, or served; 0: it is the first without */
    uint64_t *copies; /* NAMED_CODE_WORDS */
};
struct named_copy {
    uint32_t bytes; /* from here to its end; what follows is read as an .eh_frame_hdr */
};

/* On functions that keep every register but the one with their result: the compiler saves what they
 * use, which is all of the caller's as soon as they call another function. They must be compiled
 * for general registers only, and no function that is not may be inlined into them. Compilers know
 * no such thing for AArch64: there the wrapper keeps all registers. */
#ifdef __x86_64__
#define NAMED_QUIET __attribute__((no_caller_saved_registers))
#else
#define NAMED_QUIET
#endif

/*
 * What the shim offers. enter and leave keep every register, so that the wrapper need not save any;
 * each returns false, with nothing done, when it cannot: then the wrapper saves every register and
 * calls the slow form. Both forms of enter set call->token, 0 when no scope was opened. Both
 * forms of leave do nothing when it is 0, else close the scope and set it to 0: a call that is
 * unwound while it is left is left once more. None touches errno. stack_bytes returns
 * how many of function->stack_bytes above `arguments` (the address behind the return address) can
 * be read without a fault, a multiple of 16; general registers only. The wrapper asks it when not
 * all lie in the page of the return address.
 */
struct named_host {
    bool (*enter)(struct named_call *call) NAMED_QUIET;
    void (*enter_slowly)(struct named_call *call);
    bool (*leave)(struct named_call *call) NAMED_QUIET;
    void (*leave_slowly)(struct named_call *call);
    size_t (*stack_bytes)(const struct named_function *function, uintptr_t arguments);
    const char *specs; /* ARENASHIM_SCOPES without `thread` and `process`; "" when there are none */
    const char *file;  /* ARENASHIM_SCOPE_FILE: further specs, one a line; "" when there is none */
    struct named_code *code; /* NAMED_CODE_MAX of them, filled by src/wrap */
    size_t stack;            /* ARENASHIM_STACK: bytes of stack arguments passed on */
    bool retain;             /* how scopes end whose spec does not say so (ARENASHIM_END) */
    bool quiet; /* the settings are inherited: what is wrong with the specs another process has said
                 */
    bool strict; /* ARENASHIM_SCOPE_STRICT: a spec that cannot be applied ends the process */
    bool list;   /* ARENASHIM_SCOPE_LIST: print what the specs match, and exit with 0 */
};

/* The file of src/wrap. */
#define NAMED_PART "libarenashim-wrap.so"

/* The one symbol of src/wrap, looked up by name. Called once, by the shim's constructor, after
 * routing has begun. */
#define NAMED_START "arenashim_wrap_start"
typedef void named_start_function(const struct named_host *host);

#endif

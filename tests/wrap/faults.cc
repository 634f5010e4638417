/*
 * Exceptions that a signal handler throws from within the first instructions of wrapped functions,
 * which are copied elsewhere, and the callers that can be told from each instruction of a wrapped
 * call (x86-64). Compiled with -fnon-call-exceptions.
 */
#include <csignal>
#include <cstdio>
#include <cstring>
#include <unwind.h>

extern "C" {
#include "expect.h"
}

#define WRAPPED extern "C" __attribute__((noinline))

struct fault {};

/* ---- faults ---------------------------------------------------------------------------------- */

/* The first instruction loads. */
WRAPPED int w_load(const int *from)
{
    return from[0] + from[1];
}

/* Registers are pushed before. */
extern "C" int w_pushes(const int *from);
/* Calls through the pointer: the copy pushes where it returns to, and jumps. */
extern "C" int w_calls(int (*const *function)(void));
#ifdef __x86_64__
__asm__(".text\n.globl w_pushes\n.type w_pushes, @function\nw_pushes:\n.cfi_startproc\n"
        "push %rbx\n.cfi_def_cfa_offset 16\n.cfi_offset rbx, -16\n"
        "mov (%rdi), %ebx\nmov 4(%rdi), %eax\nadd %ebx, %eax\n"
        "pop %rbx\n.cfi_def_cfa_offset 8\nret\n.cfi_endproc\n.size w_pushes, . - w_pushes\n");

__asm__(".text\n.globl w_calls\n.type w_calls, @function\nw_calls:\n.cfi_startproc\n"
        "push %rbx\n.cfi_def_cfa_offset 16\n.cfi_offset rbx, -16\nxor %ebx, %ebx\ncall *(%rdi)\n"
        "pop %rbx\n.cfi_def_cfa_offset 8\nret\n.cfi_endproc\n.size w_calls, . - w_calls\n");
#else
/* What loads is copied alone, or behind what signs the return address. */
__asm__(".text\n.globl w_pushes\n.type w_pushes, @function\nw_pushes:\n.cfi_startproc\n"
        "hint 25\n.cfi_negate_ra_state\n" /* paciasp */
        "ldr w1, [x0]\nldr w2, [x0, 4]\nadd w0, w1, w2\n"
        "hint 29\n.cfi_negate_ra_state\nret\n.cfi_endproc\n.size w_pushes, . - w_pushes\n");
__asm__(".text\n.globl w_calls\n.type w_calls, @function\nw_calls:\n.cfi_startproc\n"
        "ldr x1, [x0]\nstp x29, x30, [sp, -16]!\n.cfi_def_cfa_offset 16\n.cfi_offset x29, -16\n"
        ".cfi_offset x30, -8\nblr x1\nldp x29, x30, [sp], 16\n.cfi_def_cfa_offset 0\n"
        ".cfi_restore x29\n.cfi_restore x30\nret\n.cfi_endproc\n.size w_calls, . - w_calls\n");
#endif

/* Catches what its own first instruction throws. */
WRAPPED int w_catches(const int *from)
{
    try {
        return *from;
    } catch (fault &) {
        return -1;
    }
}

/* Has something to destroy then. */
static int destroyed;
struct guard {
    ~guard()
    {
        destroyed++;
    }
};
WRAPPED int w_destroys(const int *from)
{
    guard here;
    return *from;
}

static void on_signal(int number, void (*handler)(int))
{
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_NODEFER;
    sigaction(number, &action, nullptr);
}

static void on_fault(int)
{
    throw fault();
}

template <typename function, typename argument>
static void expect_fault(function wrapped, argument *bad)
{
    bool caught = false;
    try {
        wrapped(bad);
    } catch (fault &) {
        caught = true;
    }
    EXPECT(caught && !arena_scope_active());
}

static int seven(void)
{
    free(opaque(malloc(7)));
    return 7;
}

static void faults(void)
{
    static const int numbers[] = {1, 2};
    static int (*const function)(void) = seven;
    on_signal(SIGSEGV, on_fault);
    for (int i = 0; i < 10; i++) {
        EXPECT(w_load(numbers) == 3 && w_pushes(numbers) == 3 && w_calls(&function) == 7);
        EXPECT(w_catches(numbers) == 1 && w_destroys(numbers) == 1);
        expect_fault(w_load, (const int *)nullptr);
        expect_fault(w_pushes, (const int *)nullptr);
        expect_fault(w_calls, (int (*const *)(void)) nullptr);
        EXPECT(w_catches(nullptr) == -1 && !arena_scope_active());
        expect_fault(w_destroys, (const int *)nullptr);
    }
    EXPECT(destroyed == 20);
}

/* ---- every instruction ----------------------------------------------------------------------- */

#ifdef __x86_64__
/* SIGTRAP comes after each instruction between the two. The red zone is the compiler's. */
#define STEP(change)                                                                               \
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t" change "\n\tpopfq\n\t"                 \
                     "lea 128(%%rsp), %%rsp" ::                                                    \
                         : "memory", "cc")

static uintptr_t caller; /* an address in the function that steps */
static int steps, lost;

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *seen)
{
    uintptr_t distance = _Unwind_GetIP(context) - caller;
    *static_cast<bool *>(seen) |= distance < 1024;
    return _URC_NO_REASON;
}

static void on_step(int)
{
    bool seen = false;
    _Unwind_Backtrace(look, &seen);
    steps++;
    lost += !seen;
}

static void every_instruction(void)
{
    static const int numbers[] = {1, 2};
    static int (*const function)(void) = seven;
    caller = reinterpret_cast<uintptr_t>(every_instruction);
    on_signal(SIGTRAP, on_step);
    w_calls(&function);
    STEP("orq $0x100, (%%rsp)");
    w_load(numbers);
    w_pushes(numbers);
    STEP("andq $~0x100, (%%rsp)");
    EXPECT(steps > 100 && lost == 0);
    if (lost > 0)
        std::printf("%d of %d steps\n", lost, steps);
}
#endif

static const struct test_case cases[] = {
    {"faults", faults},
#ifdef __x86_64__
    {"every_instruction", every_instruction},
#endif
};

int main(int argc, char **argv)
{
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

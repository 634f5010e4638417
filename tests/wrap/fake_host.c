/*
 * See fake_host.h. enter and leave keep every register, as named.h demands (on AArch64 of nobody);
 * the other three overwrite every register that their callers must save.
 */
#include "fake_host.h"

#include <stdlib.h>
#include <sys/auxv.h>

#include "wrap/thunk.h"

__thread struct fake_calls fake_calls;
bool fake_slow, fake_no_scope;
size_t fake_stack_bytes = SIZE_MAX;
unsigned fake_asked;
size_t (*fake_stack_function)(const struct named_function *function, uintptr_t arguments);
uint64_t fake_control;
void (*fake_in_slow_form)(void);

#define GENERAL_REGISTERS __attribute__((target("general-regs-only")))
#define QUIET GENERAL_REGISTERS NAMED_QUIET

static uint64_t serial;

#ifdef __aarch64__
#define ruin_general()                                                                             \
    __asm__ volatile(                                                                              \
        ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\n mov x\\n, -1\n .endr\n"             \
        "cmp x1, x2\n" ::                                                                          \
            : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",    \
              "x14", "x15", "x16", "x17", "x18", "cc")

/* Vector registers, predicates and the flags of exceptions. */
static void ruin_all(void)
{
    ruin_general();
    __asm__ volatile(
        "msr fpsr, %0\n"
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,"
        "27,28,29,30,31\n movi v\\n\\().16b, 0xff\n .endr"
        :
        : "r"((uint64_t)0x1f)
        : "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15");
    if (getauxval(AT_HWCAP) & HWCAP_SVE)
        __asm__ volatile(
            ".arch_extension sve\n"
            ".irp n,0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
            "mov z\\n\\().b, -1\n .endr\n"
            ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n pfalse p\\n\\().b\n .endr" ::
                :);
}

/* The stack is aligned. */
static void require_abi(uintptr_t frame)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(fake_control));
    if (frame % 16 != 0)
        abort();
}
#else
#define ruin_general()                                                                             \
    __asm__ volatile("movq $-1, %%rcx\n movq %%rcx, %%rdx\n movq %%rcx, %%rsi\n"                   \
                     "movq %%rcx, %%rdi\n movq %%rcx, %%r8\n movq %%rcx, %%r9\n"                   \
                     "movq %%rcx, %%r10\n movq %%rcx, %%r11\n" ::                                  \
                         : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc")

/* Vector and mask registers, the x87 stack, which is empty again at the end, and the flags of
 * exceptions in MXCSR. */
static void ruin_all(void)
{
    ruin_general();
    uint32_t mxcsr;
    __asm__ volatile("fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n emms\n"
                     "stmxcsr %0\n orl $0x3f, %0\n ldmxcsr %0\n"
                     "pcmpeqd %%xmm0, %%xmm0\n"
                     ".irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movaps %%xmm0, %%xmm\\n\n .endr"
                     : "=m"(mxcsr)
                     :
                     : "cc");
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
                         "vcmptrueps %%ymm\\n, %%ymm\\n, %%ymm\\n\n .endr" ::
                             :);
    if (__builtin_cpu_supports("avx512bw"))
        __asm__ volatile(
            ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
            "29,30,31\n vpternlogd $0xff, %%zmm\\n, %%zmm\\n, %%zmm\\n\n .endr\n"
            ".irp n,0,1,2,3,4,5,6,7\n kxnorq %%k\\n, %%k\\n, %%k\\n\n .endr" ::
                :);
}

/* The ABI of the caller holds: the x87 stack is empty, the machine stack aligned. */
static void require_abi(uintptr_t frame)
{
    struct {
        uint16_t control, a, status, b, tags, c;
        uint32_t further[4];
    } environment;
    __asm__ volatile("fnstenv %0\n fldcw %0" : "=m"(environment));
    fake_control = environment.control;
    if (environment.tags != 0xffff || frame % 16 != 0)
        abort();
}
#endif

static GENERAL_REGISTERS void open_scope(struct named_call *call)
{
    call->token = fake_no_scope ? 0 : __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    fake_calls.entered += call->token != 0;
}

static GENERAL_REGISTERS void close_scope(struct named_call *call)
{
    if (!call->token)
        return;
    if (call->token > serial || !call->function->target)
        __builtin_trap(); /* not what enter was given */
    fake_calls.last_left = call->token;
    fake_calls.left++;
    call->token = 0;
}

/* What enter and leave may overwrite. */
#ifdef __aarch64__
#define ruin_quietly ruin_all
#else
#define ruin_quietly() ((void)0)
#endif

static QUIET bool enter(struct named_call *call)
{
    if (fake_slow)
        return false;
    open_scope(call);
    ruin_quietly();
    return true;
}

static QUIET bool leave(struct named_call *call)
{
    if (fake_slow)
        return false;
    close_scope(call);
    ruin_quietly();
    return true;
}

static void slow_form(uintptr_t frame)
{
    require_abi(frame);
    fake_calls.slow++;
    if (fake_in_slow_form)
        fake_in_slow_form();
}

static void enter_slowly(struct named_call *call)
{
    slow_form((uintptr_t)__builtin_frame_address(0));
    open_scope(call);
    ruin_all();
}

static void leave_slowly(struct named_call *call)
{
    slow_form((uintptr_t)__builtin_frame_address(0));
    close_scope(call);
    ruin_all();
}

static GENERAL_REGISTERS size_t stack_bytes(const struct named_function *function,
                                            uintptr_t arguments)
{
    fake_asked++;
    size_t bytes =
        fake_stack_function ? fake_stack_function(function, arguments) : function->stack_bytes;
    if (bytes > fake_stack_bytes)
        bytes = fake_stack_bytes;
    ruin_general();
    return bytes;
}

static const struct named_host host = {
    .enter = enter,
    .enter_slowly = enter_slowly,
    .leave = leave,
    .leave_slowly = leave_slowly,
    .stack_bytes = stack_bytes,
};

__attribute__((constructor)) static void answer(void)
{
    wrap_host = &host;
}

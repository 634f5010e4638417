#include "wrap/loader.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/track.h"
#include "wrap/code.h"

static void (*on_change)(void);

/*
 * dlopen may be called on the smallest of stacks, and C++ names take some 100 KiB to demangle: a
 * stack of our own serves, one thread at a time, as the dynamic linker's lock is held.
 */
#define STACK_BYTES ((size_t)1 << 20)

static void *stack_end; /* NULL under Valgrind, which takes the change for the program's mistake */

/* Calls `function` with its stack below `end`, which is a multiple of 16. */
void loader_call_on(void *end, void (*function)(void)) __attribute__((visibility("hidden")));

__asm__(".text\n"
        ".hidden loader_call_on\n"
        ".globl loader_call_on\n"
        ".type loader_call_on, @function\n"
        "loader_call_on:\n"
        ".cfi_startproc\n"
        "endbr64\n"
        "pushq %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset rbp, -16\n"
        "movq %rsp, %rbp\n"
        ".cfi_def_cfa_register rbp\n"
        "movq %rdi, %rsp\n"
        "call *%rsi\n"
        "leave\n"
        ".cfi_def_cfa rsp, 8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size loader_call_on, . - loader_call_on\n");

static bool make_stack(void)
{
    if (track_emulated())
        return true;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return false;
    mprotect(stack, page, PROT_NONE); /* or an overflow would go unnoticed, no more */
    stack_end = stack + STACK_BYTES;
    return true;
}

/* In place of the dynamic linker's empty function. */
static void notified(void)
{
    if (_r_debug.r_state != RT_CONSISTENT)
        return;
    if (stack_end)
        loader_call_on(stack_end, on_change);
    else
        on_change();
}

/* Length of the filler instruction at `at` that assemblers align functions with, 0 for any other
 * byte. */
static size_t filler_length(const unsigned char *at)
{
    static const struct {
        unsigned char form, length;
    } forms[] = {{0x00, 3}, {0x40, 4}, {0x44, 5}, {0x80, 7}, {0x84, 8}};
    size_t prefixes = 0;
    while (at[prefixes] == 0x66 || at[prefixes] == 0x2e)
        prefixes++;
    const unsigned char *code = at + prefixes;
    if (code[0] == 0x90 || code[0] == 0xcc)
        return prefixes + 1;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (code[0] == 0x0f && code[1] == 0x1f && code[2] == forms[i].form)
            return prefixes + forms[i].length;
    return 0;
}

#define JUMP_BYTES 5

/* Where in the empty function a jump fits: behind an endbr64, in place of a return that is followed
 * by filler up to the next multiple of 16. NULL when the function is not of this kind. */
static unsigned char *find_place(unsigned char *function)
{
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned char *place = function;
    if (memcmp(place, endbr64, sizeof endbr64) == 0)
        place += sizeof endbr64;
    unsigned char *at = place;
    if (*at == 0xf3)
        at++;
    if (*at++ != 0xc3)
        return NULL;
    while ((uintptr_t)at % 16 != 0 && filler_length(at) > 0)
        at += filler_length(at);
    return at - place >= JUMP_BYTES ? place : NULL;
}

/* A place that a jump at `near` reaches, with a jump to `target`; 0 when there is no room for one.
 */
static uintptr_t make_bridge(uintptr_t near, uintptr_t target)
{
    /* jmp *0(%rip), and the address behind it */
    unsigned char code[14] = {0xff, 0x25};
    memcpy(code + 6, &target, sizeof target);
    uintptr_t bridge = code_place(near);
    return bridge != 0 && code_fill(bridge, code, sizeof code) ? bridge : 0;
}

const char *loader_watch(void (*changed)(void))
{
    unsigned char *function = (unsigned char *)_r_debug.r_brk;
    if (*function == 0xcc)
        return "a debugger does so";
    unsigned char *place = find_place(function);
    if (!place)
        return "its function for debuggers is not empty";
    uintptr_t bridge = make_bridge((uintptr_t)place, (uintptr_t)notified);
    if (bridge == 0)
        return "there is no room near it, or the kernel refuses to write code";
    unsigned char jump[JUMP_BYTES] = {0xe9};
    int32_t distance = (int32_t)((intptr_t)bridge - (intptr_t)(place + JUMP_BYTES));
    memcpy(jump + 1, &distance, sizeof distance);
    if (!make_stack())
        return "there is no memory";
    on_change = changed;
    return code_write((uintptr_t)place, jump, sizeof jump)
               ? NULL
               : "the kernel refuses to write to its code";
}

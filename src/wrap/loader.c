/* A jump in the dynamic linker's function for debuggers, and the stack that what it leads to runs
 * on. */
#include "wrap/loader.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/track.h"
#include "wrap/code.h"
#include "wrap/entry.h"
#include "wrap/instruction.h"

static void (*on_change)(void);

/*
 * dlopen may be called on the smallest of stacks, and C++ names take some 100 KiB to demangle: a
 * stack of our own serves, one thread at a time, as the dynamic linker's lock is held.
 */
#define STACK_BYTES ((size_t)1 << 20)

static void *stack_end; /* NULL under Valgrind, which takes the change for the program's mistake */

/* Calls `function` with its stack below `end`, which is a multiple of 16: arch/<cpu>/stack.S. */
void loader_call_on(void *end, void (*function)(void)) __attribute__((visibility("hidden")));

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

/* A place that a jump at `near` reaches, with a jump to `target`; 0 when there is no room for one.
 */
static uintptr_t make_bridge(uintptr_t near, uintptr_t target)
{
    unsigned char code[JUMP_MAX];
    uintptr_t bridge = code_place(near);
    size_t length = instruction_jump(target, bridge, code);
    return bridge != 0 && code_fill(bridge, code, length) ? bridge : 0;
}

const char *loader_watch(void (*changed)(void))
{
    uintptr_t function = _r_debug.r_brk;
    if (*(const unsigned char *)function == 0xcc)
        return "a debugger does so";
    uintptr_t place = entry_of_empty(function);
    if (place == 0)
        return "its function for debuggers is not empty";
    uintptr_t bridge = make_bridge(place, (uintptr_t)notified);
    if (bridge == 0)
        return "there is no room near it, or the kernel refuses to write code";
    unsigned char jump[JUMP_MAX];
    if (instruction_jump(bridge, place, jump) != JUMP_BYTES)
        return "there is no room near it";
    if (!make_stack())
        return "there is no memory";
    on_change = changed;
    /* Another thread may be about to execute the return: it is replaced last, at once. */
    return code_write(place + JUMP_LAST, jump + JUMP_LAST, JUMP_BYTES - JUMP_LAST) &&
                   code_write(place, jump, JUMP_LAST)
               ? NULL
               : "the kernel refuses to write to its code";
}

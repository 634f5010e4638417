/*
 * What the tests share in which signal handlers use the shim while they interrupt it: an operation
 * is interrupted at one instruction after the other (x86-64); a next allocator that handlers may
 * call; blocks whose contents are watched.
 */
#ifndef TESTS_SHIM_STEPPING_H
#define TESTS_SHIM_STEPPING_H

#include "harness.h"

#include <ucontext.h>

#if defined(__x86_64__) && !THREAD_SANITIZED
#define CAN_STEP 1
#else
#define CAN_STEP 0

static void leave_out_steps(void)
{
    leave_out("every instruction", "a program steps by itself on x86-64 alone");
}
#endif

/* ---- a next allocator for signal handlers ---------------------------------------------------- */

/* Cells that are claimed by one atomic exchange: glibc's malloc may not be called in a handler
 * that has interrupted it. */
enum { CELLS = 128, CELL = 65536 };
static unsigned char cells[CELLS][CELL] __attribute__((aligned(CELL)));
static bool taken[CELLS];

static void *cell_memalign(size_t alignment, size_t size)
{
    if (size <= CELL && alignment <= CELL)
        for (int i = 0; i < CELLS; i++)
            if (!__atomic_exchange_n(&taken[i], true, __ATOMIC_ACQUIRE))
                return cells[i];
    errno = ENOMEM;
    return NULL;
}

static void *cell_malloc(size_t size)
{
    return cell_memalign(1, size);
}

static void *cell_calloc(size_t count, size_t size)
{
    void *cell = cell_memalign(1, count * size);
    return cell ? memset(cell, 0, count * size) : NULL;
}

static void cell_free(void *cell)
{
    if (!cell)
        return;
    size_t index = (size_t)((unsigned char *)cell - cells[0]) / CELL;
    require(index < CELLS && cell == cells[index]);
    require(__atomic_exchange_n(&taken[index], false, __ATOMIC_RELEASE));
}

static void *cell_realloc(void *cell, size_t size)
{
    return size <= CELL ? cell : NULL;
}

static size_t cell_usable(void *cell)
{
    return cell ? CELL : 0;
}

UNUSED static int cells_taken(void)
{
    int count = 0;
    for (int i = 0; i < CELLS; i++)
        count += taken[i];
    return count;
}

/* Makes it the next allocator of a process that has started routing. */
UNUSED static void use_cells(void)
{
    fixed.next.malloc = cell_malloc;
    fixed.next.calloc = cell_calloc;
    fixed.next.realloc = cell_realloc;
    fixed.next.free = cell_free;
    fixed.next.memalign = cell_memalign;
    fixed.next.malloc_usable_size = cell_usable;
    settle_outside();
}

/* ---- blocks whose contents are watched ------------------------------------------------------- */

struct watched {
    unsigned char *block;
    size_t size;
    unsigned char byte;
};

UNUSED static void watch(struct watched *watched, void *block, size_t size)
{
    static unsigned char byte;
    require(block && t_usable(block) >= size);
    *watched = (struct watched){block, size, (unsigned char)(byte++ | 1)};
    memset(block, watched->byte, size);
}

UNUSED static void look_at(const struct watched *watched)
{
    if (watched->block)
        require(holds_only(watched->block, watched->size, watched->byte));
}

UNUSED static void let_go(struct watched *watched)
{
    look_at(watched);
    t_free(watched->block);
    watched->block = NULL;
}

/* ---- every instruction ----------------------------------------------------------------------- */

#if CAN_STEP

/* The program's instructions that the operation executes, in the order of their execution, each
 * as often as `repeats` says. They are found by single-stepping once; after that a breakpoint is
 * set at one after the other, because a trap for every instruction is slow on virtual machines. */
enum { POINTS = 16384, BREAKPOINT = 0xcc, TRAP_FLAG = 0x100 };

/* Sanitizers make instructions many and slow: of theirs each handler interrupts one in so many,
 * each beginning with another. */
enum { STRIDE = SANITIZED ? 40 : 1 };
static struct point {
    unsigned char *at;
    unsigned before; /* executions of it before this one */
} points[POINTS];
static size_t point_count;
static unsigned repeats = 1;

static unsigned char *volatile breakpoint;
static volatile bool stepping_over;
static volatile unsigned executions_left; /* before the handler runs */
static unsigned char instead;
static void (*disturb)(void);

/* What on_failure says. */
static const char *running_name;
static size_t disturbing, at_point;

extern unsigned char __executable_start, etext;

static void note_point(unsigned char *at)
{
    unsigned before = 0;
    if (at < &__executable_start || at >= &etext)
        return;
    for (size_t i = 0; i < point_count; i++)
        before += points[i].at == at;
    if (before >= repeats)
        return;
    require(point_count < POINTS);
    points[point_count++] = (struct point){at, before};
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    unsigned char *next = (unsigned char *)registers[REG_RIP];
    (void)number;
    (void)info;
    if (!breakpoint) {
        note_point(next);
        return;
    }
    if (stepping_over) {
        stepping_over = false;
        registers[REG_EFL] &= ~TRAP_FLAG;
        *breakpoint = BREAKPOINT;
        return;
    }
    require(next == breakpoint + 1);
    *breakpoint = instead;
    registers[REG_RIP]--;
    if (executions_left > 0) {
        executions_left--;
        stepping_over = true;
        registers[REG_EFL] |= TRAP_FLAG;
        return;
    }
    breakpoint = NULL;
    disturb();
}

static void on_failure(int number)
{
    char line[160];
    int length =
        snprintf(line, sizeof line, "instruction %zu (%p) of '%s', handler %zu\n", at_point,
                 (void *)(points[at_point].at - &__executable_start), running_name, disturbing);
    if (write(STDERR_FILENO, line, (size_t)length) > 0)
        signal(number, SIG_DFL);
    raise(number);
}

/* Once, before the functions below. */
static void stepping_start(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    uintptr_t start = (uintptr_t)&__executable_start & ~(uintptr_t)4095;
    uintptr_t end = ((uintptr_t)&etext + 4095) & ~(uintptr_t)4095;
    sigaction(SIGTRAP, &action, NULL);
    signal(SIGABRT, on_failure);
    signal(SIGSEGV, on_failure);
    /* What lies between is read-only in parts, and may be read-only all the same. */
    require(mprotect((void *)start, end - start, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
}

static void find_points(void (*run)(void))
{
    point_count = 0;
    /* Below the red zone: sets and, at the end, clears the trap flag. */
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
    run();
    __asm__ volatile(
        "lea -128(%%rsp), %%rsp; pushfq; andq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
        :
        : "i"(~TRAP_FLAG)
        : "memory", "cc");
    require(point_count > 10); /* it was stepped at all */
}

/* Runs the operation and lets the handler interrupt it at the point. */
static void run_interrupted(void (*run)(void), void (*handler)(void), const struct point *point)
{
    disturb = handler;
    instead = *point->at;
    executions_left = point->before;
    breakpoint = point->at;
    *point->at = BREAKPOINT;
    run();
    if (breakpoint)
        *point->at = instead; /* another way was taken */
    breakpoint = NULL;
}

static void *released;

static void release(void)
{
    t_free(released);
    released = NULL;
}

/* With something behind it that is still to be settled. */
static void open_and_draw(void (*open)(void))
{
    open();
    released = t_malloc(40);
    t_free(t_malloc(400));
}

/* A block of an outer scope that a handler frees, while an inner one begins and ends, is freed in
 * the statistics, too: `open` begins an outer scope, `nest` begins and ends one in it, `close` ends
 * the outer one and returns how many blocks statistics take for alive. Sanitizers look at a sum
 * before it is stored, and lose what a handler counts. */
UNUSED static void step_through_counts_of(void (*open)(void), void (*nest)(void),
                                          uint64_t (*close)(void))
{
    for (int settled = 0; settled < 2; settled++) {
        open_and_draw(open);
        if (settled)
            nest();
        find_points(nest);
        release();
        require(close() == 0 || SANITIZED);
        for (at_point = 0; at_point < point_count; at_point++) {
            open_and_draw(open);
            if (settled)
                nest();
            run_interrupted(nest, release, &points[at_point]);
            release(); /* where another way was taken */
            require(close() == 0 || SANITIZED);
        }
    }
}

/* Runs the program's case `name` for the operation of that index. False when it fails. */
static bool run_for_operation(const char *name, int index)
{
    char number[24];
    snprintf(number, sizeof number, "%d", index);
    return track_emulated() || run_fresh_with(name, number) == 0;
}

#endif

#endif

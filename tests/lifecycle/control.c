/*
 * Ways out of scopes and across them: longjmp, siglongjmp out of a handler, contexts that take
 * turns, and timer signals through millions of calls. One case per run.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include "expect.h"
#include "interrupt.h"

/* Blocks of every kind come as they should: after a way out nothing of the shim is stuck. */
static void all_is_well(void)
{
    ARENA_SCOPE("well") {
        unsigned char *small = opaque(malloc(100));
        fill(small, 100, 1);
        unsigned char *aligned = opaque(aligned_alloc(256, 512)); /* by the slow path */
        fill(aligned, 512, 2);
        unsigned char *large = opaque(calloc(1, 2 << 20)); /* past the capacity */
        EXPECT(in_arena(small) && in_arena(aligned) && in_arena(large));
        EXPECT(zeroed(large, 5000) && zeroed(large + (2 << 20) - 5000, 5000));
        small = opaque(realloc(small, 1000));
        EXPECT(in_arena(small) && filled(small, 100, 1) && filled(aligned, 512, 2));
        EXPECT(arena_scope_active() == 1);
    }
}

/* ---- longjmp ----------------------------------------------------------------------------------
 */

static jmp_buf target;

static void dive(int depth, int paused)
{
    arena_scope_begin(NULL);
    fill(opaque(malloc(3000)), 3000, (unsigned)depth);
    if (paused)
        arena_scope_pause();
    if (depth == 0)
        longjmp(target, 1);
    dive(depth - 1, paused);
}

/* Out of five nested scopes, paused or not, into one that is open: its blocks are there, it still
 * routes once the skipped ones are closed, and its own end closes them. */
static void by_longjmp(void)
{
    for (volatile int round = 0; round < 20; round++) {
        arena_scope_token outer = arena_scope_begin(NULL);
        unsigned char *block = opaque(malloc(200));
        fill(block, 200, 7);
        if (setjmp(target) == 0)
            dive(4, round % 2);
        EXPECT(filled(block, 200, 7));
        /* In a skipped pause, calls pass; a scope of its own routes. */
        EXPECT(arena_scope_active() == (round % 2 == 0));
        EXPECT(in_arena(opaque(malloc(10))) == (round % 2 == 0));
        all_is_well();
        EXPECT(filled(block, 200, 7));
        arena_scope_end(outer);
        EXPECT(arena_scope_active() == 0 && !in_arena(opaque(malloc(10))));
        all_is_well();
    }
}

/* Out of all scopes: the thread stays in the innermost until an older token ends, or the thread. */
static void out_of_all(void)
{
    if (setjmp(target) == 0)
        dive(2, 0);
    EXPECT(arena_scope_active() == 1);
    all_is_well();
}

/* ---- handlers that jump -----------------------------------------------------------------------
 */

static sigjmp_buf escape;
static volatile sig_atomic_t may_jump;
static volatile unsigned long countdown;
static volatile unsigned long handled;

static void jump_out(int signal)
{
    (void)signal;
    handled++;
    if (may_jump && countdown > 0 && --countdown == 0) {
        ARENA_SCOPE("in a handler")
            opaque(malloc(50));
        arena_scope_begin(NULL); /* left open */
        may_jump = 0;
        siglongjmp(escape, 1);
    }
}

static void interrupted_work(void)
{
    STEP_ON();
    unsigned char *block = opaque(malloc(100));
    unsigned char *aligned = opaque(aligned_alloc(128, 200));
    arena_scope_token token = arena_scope_begin(NULL);
    block = opaque(realloc(block, 300));
    aligned = opaque(malloc(2 << 20)); /* past the capacity */
    ARENA_SCOPE_PAUSED __asm__ volatile("" : : : "memory");
    free(aligned);
    arena_scope_end(token);
    free(block);
    opaque(malloc(10));
    STEP_OFF();
}

/* A handler leaves by siglongjmp at every seventh instruction of the shim in turn, or as
 * CONTROL_STRIDE says. Once the scope that it
 * interrupted has ended, everything works as if nothing had been; blocks drawn before are whole. */
static void jump_everywhere(void)
{
    on_signal(SIGTRAP, jump_out, SA_NODEFER);
    const char *wanted = getenv("CONTROL_STRIDE");
    const unsigned long stride = wanted ? strtoul(wanted, NULL, 10) : 7;
    volatile unsigned long last = 0;
    for (volatile unsigned long step = 1; last == 0 && expect_failures == 0; step += stride) {
        arena_scope_token outer = arena_scope_begin(NULL);
        unsigned char *block = opaque(malloc(500));
        fill(block, 500, (unsigned)step);
        /* Volatile, so that they are what they were after the jump. */
        unsigned char *volatile kept = block;
        volatile arena_scope_token token = outer;
        countdown = step;
        if (sigsetjmp(escape, 1) == 0) {
            may_jump = 1;
            interrupted_work();
            may_jump = 0;
            last = step;
        }
        EXPECT(filled(kept, 500, (unsigned)step));
        arena_scope_end((arena_scope_token){token.id});
        EXPECT(arena_scope_active() == 0);
        all_is_well();
    }
    if (handled == 0)
        _exit(77);
    puts(last > 500 ? "stepped" : "hardly stepped");
}

/* ---- timer signals ----------------------------------------------------------------------------
 */

static void busy_handler(int signal)
{
    (void)signal;
    unsigned char *block = opaque(malloc(64));
    fill(block, 64, 77);
    ARENA_SCOPE("handler") {
        unsigned char *inner = opaque(malloc(32));
        fill(inner, 32, 78);
        ARENA_SCOPE_PAUSED __asm__ volatile("" : : : "memory");
        inner = opaque(realloc(inner, handled % 7 == 0 ? 5000 : 80));
        arena_scope_begin(NULL);
        fill(opaque(calloc(1, 200)), 200, 79);
        if (may_jump && handled % 3 == 0) {
            handled++;
            siglongjmp(escape, 1);
        }
        EXPECT(filled(inner, 32, 78)); /* the end closes the scope that was left open */
    }
    EXPECT(filled(block, 64, 77));
    handled++;
}

/* Draws, resizes and frees through millions of calls while timer signals come in; every third
 * handler leaves by siglongjmp. */
static void timer_signals(void)
{
    timer_t timer = start_alarms(busy_handler, 50000);
    static volatile unsigned long calls;
    static unsigned char *blocks[100];
    for (volatile unsigned round = 0; (calls < 3000000 || handled < 2000) && round < 200000;
         round++) {
        volatile arena_scope_token token = arena_scope_begin(NULL);
        if (sigsetjmp(escape, 1) == 0) {
            opaque(malloc(1));
            may_jump = round % 2;
            mask_alarms(SIG_UNBLOCK);
            for (unsigned i = 0; i < 100; i++) {
                size_t size = i * 13 % 200 + 24;
                blocks[i] = i % 3 ? opaque(malloc(size)) : opaque(calloc(1, size));
                memset(blocks[i], (int)i, size);
                if (i % 5 == 0)
                    blocks[i] = opaque(realloc(blocks[i], size + 50));
                free(opaque(malloc(i)));
            }
            may_jump = 0;
            mask_alarms(SIG_BLOCK);
            for (unsigned i = 0; i < 100; i++) {
                unsigned char wanted[24];
                memset(wanted, (int)i, sizeof wanted);
                EXPECT(memcmp(blocks[i], wanted, sizeof wanted) == 0);
            }
            calls += 320;
        } else {
            /* Alarms are blocked again. */
            may_jump = 0;
        }
        arena_scope_end((arena_scope_token){token.id});
        EXPECT(arena_scope_active() == 0);
        if (expect_failures > 5)
            break;
    }
    timer_delete(timer);
    all_is_well();
    printf("%s calls, %s signals\n", calls >= 3000000 ? "millions of" : "some",
           handled >= 2000 ? "thousands of" : "some");
}

/* ---- contexts ---------------------------------------------------------------------------------
 */

static ucontext_t home, guest;
static void (*guest_body)(void);
static char *stack;

static void enter_guest(void)
{
    guest_body();
}

static void start_guest(void (*body)(void))
{
    stack = malloc(256 << 10);
    guest_body = body;
    EXPECT(getcontext(&guest) == 0);
    guest.uc_stack.ss_sp = stack;
    guest.uc_stack.ss_size = 256 << 10;
    guest.uc_link = &home;
    makecontext(&guest, enter_guest, 0);
}

static void to_guest(void)
{
    EXPECT(swapcontext(&home, &guest) == 0);
}

static void to_home(void)
{
    EXPECT(swapcontext(&guest, &home) == 0);
}

static unsigned char *guest_block;

static void nested_guest(void)
{
    for (int round = 0; round < 10; round++) {
        ARENA_SCOPE("guest") {
            guest_block = opaque(malloc(300));
            EXPECT(in_arena(guest_block));
            fill(guest_block, 300, 2);
            EXPECT(filled(guest_block, 300, 2));
        }
        to_home();
    }
}

/* The guest ends what it begins before it switches back: the scopes nest, whoever's they are. */
static void contexts_that_nest(void)
{
    start_guest(nested_guest);
    for (int round = 0; round < 10; round++) {
        ARENA_SCOPE("home") {
            unsigned char *block = opaque(malloc(300));
            fill(block, 300, 1);
            to_guest();
            EXPECT(filled(block, 300, 1) && arena_scope_active() == 1);
            EXPECT(in_arena(opaque(malloc(10))));
        }
        EXPECT(arena_scope_active() == 0);
    }
    free(stack);
    all_is_well();
}

static void guest_in_pause(void)
{
    for (int round = 0; round < 10; round++) {
        /* What the home context pauses for: memory that outlives its scope. */
        unsigned char *own = opaque(malloc(300));
        EXPECT(!in_arena(own));
        fill(own, 300, 2);
        ARENA_SCOPE("guest in a pause")
            EXPECT(in_arena(opaque(malloc(300))));
        to_home();
        EXPECT(filled(own, 300, 2));
        free(own);
    }
}

/* A pause around the switch keeps the other context's memory out of this one's scope. */
static void contexts_in_pauses(void)
{
    start_guest(guest_in_pause);
    for (int round = 0; round < 10; round++) {
        ARENA_SCOPE("home") {
            unsigned char *block = opaque(malloc(300));
            fill(block, 300, 1);
            ARENA_SCOPE_PAUSED to_guest();
            EXPECT(filled(block, 300, 1) && arena_scope_active() == 1);
        }
    }
    free(stack);
    all_is_well();
}

static void crossing_guest(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    guest_block = opaque(malloc(300));
    fill(guest_block, 300, 2);
    to_home(); /* inside its scope: home's scope, begun before, ends meanwhile */
    EXPECT(arena_scope_active() == 0);
    arena_scope_end(token); /* closed already: misuse */
    EXPECT(arena_scope_active() == 0);
}

/* The outer scope ends while the guest's, begun later, is open: it closes both. The guest's blocks
 * are gone, its own end is refused, and what begins afterwards is not touched by it. */
static void outer_ends_first(void)
{
    start_guest(crossing_guest);
    arena_scope_token token = arena_scope_begin(NULL);
    unsigned char *block = opaque(malloc(300));
    fill(block, 300, 1);
    to_guest();
    EXPECT(filled(block, 300, 1) && filled(guest_block, 300, 2));
    arena_scope_end(token);
    EXPECT(arena_scope_active() == 0);
    all_is_well();
    to_guest();
    all_is_well();
    free(stack);
}

static void staying_guest(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    guest_block = opaque(malloc(300));
    fill(guest_block, 300, 2);
    to_home();
    EXPECT(filled(guest_block, 300, 2));
    arena_scope_end(token); /* closes home's second scope, too */
}

/* The guest's scope ends while one that home began after it is open: the guest's end closes it, and
 * home's own end is refused. */
static void later_ends_last(void)
{
    start_guest(staying_guest);
    arena_scope_token first = arena_scope_begin(NULL);
    unsigned char *block = opaque(malloc(300));
    fill(block, 300, 1);
    to_guest();
    arena_scope_token second = arena_scope_begin(NULL);
    opaque(malloc(300));
    to_guest();
    /* The first one stays as it was. */
    EXPECT(arena_scope_active() == 1 && filled(block, 300, 1));
    EXPECT(in_arena(opaque(malloc(10))));
    arena_scope_end(second); /* misuse */
    EXPECT(arena_scope_active() == 1);
    arena_scope_end(first);
    EXPECT(arena_scope_active() == 0);
    all_is_well();
    free(stack);
}

static void *continue_guest(void *unused)
{
    all_is_well();
    to_guest();
    EXPECT(arena_scope_active() == 0);
    all_is_well();
    return unused;
}

static void moving_guest(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    guest_block = opaque(malloc(300));
    fill(guest_block, 300, 2);
    to_home();
    /* In another thread: the scope stays where it was begun. */
    EXPECT(arena_scope_active() == 0 && filled(guest_block, 300, 2));
    arena_scope_end(token); /* misuse */
}

/* A context goes on in another thread inside its scope. */
static void to_another_thread(void)
{
    pthread_t thread;
    start_guest(moving_guest);
    arena_scope_token token = arena_scope_begin(NULL);
    to_guest();
    EXPECT(arena_scope_active() == 1);
    EXPECT(pthread_create(&thread, NULL, continue_guest, NULL) == 0);
    pthread_join(thread, NULL);
    EXPECT(arena_scope_active() == 1 && filled(guest_block, 300, 2));
    arena_scope_end(token);
    EXPECT(arena_scope_active() == 0);
    all_is_well();
    free(stack);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"by_longjmp", by_longjmp},
        {"out_of_all", out_of_all},
        {"jump_everywhere", jump_everywhere},
        {"timer_signals", timer_signals},
        {"contexts_that_nest", contexts_that_nest},
        {"contexts_in_pauses", contexts_in_pauses},
        {"outer_ends_first", outer_ends_first},
        {"later_ends_last", later_ends_last},
        {"to_another_thread", to_another_thread},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

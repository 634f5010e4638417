/*
 * Every mark of C, and every way out of a marked block. Prints what the statistics must say: one
 * line per site with scopes, routed calls and label (marks.sh finds the mark's line by its label,
 * which stands there first). The output is the same with and without the shim.
 *
 * marks(active, longjmps): `active` is what arena_scope_active must say in a scope; the longjmps
 * are apart because they leave scopes open.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HIDDEN
#pragma GCC visibility push(hidden)
#endif
#include <arenashim/scope.h>
#ifdef HIDDEN
#pragma GCC visibility pop
#endif

int marks(int active, int longjmps);

/* Stored to, so that no allocation is optimized away. */
static void *volatile block;

static int wanted_active;
static int failures;

static void expect(int condition, int line)
{
    if (condition)
        return;
    failures++;
    printf("line %d failed\n", line);
}

#define EXPECT(condition) expect((condition), __LINE__)

static void row(const char *label, int scopes, int calls)
{
    printf("%d %d %s\n", scopes, calls, label);
}

static void draw(void)
{
    EXPECT(arena_scope_active() == wanted_active);
    block = malloc(40);
}

static void block_mark(void)
{
    int i;
    for (i = 0; i < 3; i++) {
        ARENA_SCOPE("block") {
            draw();
            draw();
        }
        EXPECT(arena_scope_active() == 0);
    }
    row("block", 3, 6);
}

static void here_mark(int early)
{
    ARENA_SCOPE_HERE("here");
    draw();
    if (early)
        return;
    draw();
}

static int leave_by_return(void)
{
    ARENA_SCOPE("return") {
        draw();
        return 1;
    }
    return 0;
}

/* They leave the block, not the loop around it. */
static void leave_by_break_and_continue(void)
{
    int i, rounds = 0;
    for (i = 0; i < 4; i++) {
        ARENA_SCOPE("break") {
            draw();
            if (i % 2)
                break;
            draw();
        }
        ARENA_SCOPE("continue") {
            draw();
            if (i % 2)
                continue;
            draw();
        }
        EXPECT(arena_scope_active() == 0);
        rounds++;
    }
    EXPECT(rounds == 4);
    row("break", 4, 6);
    row("continue", 4, 6);
}

static void leave_by_goto(void)
{
    ARENA_SCOPE("goto") {
        ARENA_SCOPE("goto inner") {
            draw();
            goto out;
        }
        draw();
    }
out:
    EXPECT(arena_scope_active() == 0);
    row("goto", 1, 0);
    row("goto inner", 1, 1);
}

static void nested_marks(void)
{
    ARENA_SCOPE("outer") {
        draw();
        ARENA_SCOPE("inner") {
            ARENA_SCOPE_HERE("innermost");
            draw();
        }
        draw();
    }
    row("outer", 1, 2);
    row("inner", 1, 0);
    row("innermost", 1, 1);
}

/* A pause ends on every way out as well; a scope in it routes again. */
static void paused_marks(void)
{
    int i;
    ARENA_SCOPE("paused") {
        for (i = 0; i < 2; i++) {
            ARENA_SCOPE_PAUSED
            {
                EXPECT(arena_scope_active() == 0);
                block = malloc(40);
                free(block);
                ARENA_SCOPE("in a pause") {
                    draw();
                }
                EXPECT(arena_scope_active() == 0);
                if (i > 0)
                    break;
                ARENA_SCOPE_PAUSED
                {
                    EXPECT(arena_scope_active() == 0);
                }
                EXPECT(arena_scope_active() == 0);
            }
            draw();
        }
        arena_scope_pause();
        arena_scope_pause();
        arena_scope_resume();
        EXPECT(arena_scope_active() == 0);
        arena_scope_resume();
        draw();
    }
    row("paused", 1, 3);
    row("in a pause", 2, 2);
}

#define TWICE(label)                                                                               \
    ARENA_SCOPE(label)                                                                             \
        draw();                                                                                    \
    ARENA_SCOPE(label)                                                                             \
    draw()

/* Two marks on one line, in a macro, are one site; a mark as the branch of an if with an else. */
static void marks_in_odd_places(void)
{
    int i;
    TWICE("twice");
    row("twice", 2, 2);
    for (i = 0; i < 2; i++)
        if (i > 0)
            ARENA_SCOPE("branch")
                draw();
        else
            EXPECT(arena_scope_active() == 0);
    row("branch", 1, 1);
}

/* What the macros stand on; the strings of a site are static, the record need not be. */
static void plain_calls(void)
{
    arena_scope_site site = {"plain", __FILE__, __LINE__, 0};
    arena_scope_token token = arena_scope_begin(&site);
    void *kept;
    EXPECT((token.id != 0) == wanted_active);
    draw();
    kept = malloc(8);
    *(int *)kept = 4711;
    kept = arena_scope_keep(kept);
    EXPECT(arena_scope_keep(NULL) == NULL);
    arena_scope_end(token);
    EXPECT(*(int *)kept == 4711);
    free(kept);
    row("plain", 1, 2);

    token = arena_scope_begin(NULL);
    draw();
    arena_scope_end(token);
    row("", 1, 1);
}

static jmp_buf target;

__attribute__((noinline)) static int jump_out(void)
{
    ARENA_SCOPE_HERE("left");
    draw();
    longjmp(target, 1);
}

__attribute__((noinline)) static int catch_jump(void)
{
    return setjmp(target) ? 1 : jump_out();
}

/* The end of the outer scope closes the inner one. */
static void leave_by_longjmp(void)
{
    ARENA_SCOPE("catching") {
        EXPECT(catch_jump() == 1);
        draw();
    }
    EXPECT(arena_scope_active() == 0);
    row("catching", 1, 0);
    row("left", 1, 2);
}

int marks(int active, int longjmps)
{
    wanted_active = active;
    EXPECT(arena_scope_active() == 0);
    if (longjmps) {
        leave_by_longjmp();
        return failures;
    }
    block_mark();
    here_mark(0);
    here_mark(1);
    row("here", 2, 3);
    EXPECT(leave_by_return() == 1);
    row("return", 1, 1);
    leave_by_break_and_continue();
    leave_by_goto();
    nested_marks();
    paused_marks();
    marks_in_odd_places();
    plain_calls();
    EXPECT(arena_scope_active() == 0);
    return failures;
}

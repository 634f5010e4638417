/*
 * The rows of the routing table for free, realloc and malloc_usable_size: the pointer decides, not
 * the scope, whoever passes it. One case per run.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "expect.h"

static void *in_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    void *result = NULL;
    EXPECT(pthread_create(&thread, NULL, function, argument) == 0);
    EXPECT(pthread_join(thread, &result) == 0);
    return result;
}

/* ---- free -------------------------------------------------------------------------------------
 */

/* The newest block's place is used again; an older one's only after the scope. */
static void free_in_scope(void)
{
    uintptr_t first = 0;
    for (int round = 0; round < 2; round++) {
        ARENA_SCOPE("free") {
            char *a = opaque(malloc(100));
            char *b = opaque(malloc(100));
            char *c = opaque(malloc(100));
            uintptr_t b_place = (uintptr_t)b;
            EXPECT(round == 0 || (uintptr_t)a == first);
            first = (uintptr_t)a;
            fill(a, 100, 1);
            free(b);
            EXPECT((uintptr_t)(b = opaque(malloc(100))) != b_place && b != c);
            free(b);
            free(c); /* and with it the place in front of it, which was free before */
            EXPECT((uintptr_t)(c = opaque(malloc(100))) == b_place);
            EXPECT(filled(a, 100, 1));
        }
    }
}

/* Outside as in a scope. */
static void realloc_to_nothing(void)
{
    bool is_block = opaque(realloc(opaque(malloc(100)), 0)) != NULL;
    ARENA_SCOPE("realloc") {
        char *a = opaque(malloc(100));
        char *b = opaque(malloc(100));
        a = opaque(realloc(a, 0)); /* an older one, and the newest */
        b = opaque(realloc(b, 0));
        EXPECT((a != NULL) == is_block && (b != NULL) == is_block && (!a || a != b));
        free(a);
        free(b);
    }
}

/* An inner scope may free what an outer one drew; its place is not used again before the end. */
static void free_in_inner_scope(void)
{
    ARENA_SCOPE("outer") {
        char *a = opaque(malloc(100));
        char *b = opaque(malloc(100));
        fill(a, 100, 1);
        ARENA_SCOPE("inner") {
            free(b);
            char *c = opaque(malloc(100));
            EXPECT(c > b);
            fill(c, 100, 2);
            EXPECT(filled(a, 100, 1));
        }
        char *d = opaque(malloc(100));
        fill(d, 100, 3);
        EXPECT(filled(a, 100, 1) && d != a);
    }
}

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

static void *free_it_in_scope(void *block)
{
    ARENA_SCOPE("other thread") {
        char *own = opaque(malloc(100));
        fill(own, 100, 9);
        free(block);
        char *next = opaque(malloc(100));
        fill(next, 100, 8);
        EXPECT(filled(own, 100, 9));
    }
    return NULL;
}

/* Nothing happens, so the memory stays as it is until the owner's scope ends. */
static void free_from_other_threads(void)
{
    ARENA_SCOPE("owner") {
        char *a = opaque(malloc(100));
        char *b = opaque(malloc(100));
        fill(a, 100, 1);
        fill(b, 100, 2);
        in_thread(free_it, b);
        in_thread(free_it_in_scope, a);
        EXPECT(filled(a, 100, 1) && filled(b, 100, 2));
        char *c = opaque(malloc(100));
        EXPECT(c > b);
        fill(c, 100, 3);
        EXPECT(filled(a, 100, 1) && filled(b, 100, 2));
    }
}

/* After its scope, with no scope open and in a new one: nothing, and nothing of the new scope's. */
static void free_after_scope(void)
{
    void *late[4];
    ARENA_SCOPE("first") {
        for (int i = 0; i < 4; i++)
            late[i] = opaque(malloc(1000));
    }
    free(late[3]);
    in_thread(free_it, late[2]);
    ARENA_SCOPE("second") {
        char *block = opaque(malloc(50));
        fill(block, 50, 1);
        free(late[1]); /* past the cursor */
        char *next = opaque(malloc(5000));
        fill(next, 5000, 2);
        EXPECT(filled(block, 50, 1) && next > block);
    }
}

/* Blocks of the next allocator are freed by it, in a scope as well: ten times what may be resident
 * passes through. */
static void free_others_in_scope(void)
{
    ARENA_SCOPE("others") {
        char *own = opaque(malloc(10));
        fill(own, 10, 1);
        for (int i = 0; i < 1000; i++) {
            void *block;
            ARENA_SCOPE_PAUSED
            {
                block = opaque(malloc(100 << 10));
                EXPECT(!in_arena(block));
                fill(block, 100 << 10, 2);
            }
            free(block);
        }
        EXPECT(filled(own, 10, 1));
        FILE *statm = fopen("/proc/self/statm", "r");
        long pages = 0;
        EXPECT(statm && fscanf(statm, "%*d %ld", &pages) == 1);
        fclose(statm);
        EXPECT(pages * sysconf(_SC_PAGESIZE) < 32 << 20);
    }
}

/* ---- realloc, routed --------------------------------------------------------------------------
 */

static void realloc_in_scope(void)
{
    ARENA_SCOPE("realloc") {
        /* The newest in place, in both directions. */
        char *a = opaque(malloc(10));
        uintptr_t place = (uintptr_t)a;
        fill(a, 10, 1);
        a = opaque(realloc(a, 5000));
        EXPECT((uintptr_t)a == place && filled(a, 10, 1) && malloc_usable_size(a) >= 5000);
        fill(a, 5000, 2);
        a = opaque(realloc(a, 20));
        EXPECT((uintptr_t)a == place && filled(a, 20, 2) && malloc_usable_size(a) < 5000);
        char *b = opaque(malloc(10));
        EXPECT(b > a && b < a + 100);
        fill(b, 10, 3);
        /* An older one in place when not larger, else moved. */
        EXPECT(opaque(realloc((void *)place, 5)) == (void *)place);
        a = opaque(realloc((void *)place, 3000));
        EXPECT((uintptr_t)a != place && in_arena(a) && a > b && filled(a, 5, 2));
        EXPECT(filled(b, 10, 3));
        a = opaque(reallocarray(a, 100, 50));
        EXPECT(filled(a, 5, 2) && filled(b, 10, 3));
    }
}

/* Exactly the old size is copied: what lies past it is another block's. */
static void realloc_copies_exactly(void)
{
    ARENA_SCOPE("exact") {
        for (size_t size = 1; size < 400; size += 7) {
            unsigned char *old = opaque(malloc(size));
            unsigned char *wall = opaque(malloc(64));
            fill(old, malloc_usable_size(old), 1);
            fill(wall, 64, 2);
            size_t usable = malloc_usable_size(old);
            /* What the moved block gets past the old contents is what was there before: zeroes,
             * for memory that is used for the first time. */
            unsigned char *moved = opaque(realloc(old, size + 600));
            EXPECT(moved != old && filled(moved, usable, 1));
            EXPECT(zeroed(moved + usable, size + 600 - usable));
            EXPECT(filled(wall, 64, 2));
        }
    }
}

/* A block of an outer scope grows into a new block of the inner scope. */
static void realloc_in_inner_scope(void)
{
    ARENA_SCOPE("outer") {
        char *a = opaque(malloc(64));
        fill(a, 64, 1);
        ARENA_SCOPE("inner") {
            uintptr_t place = (uintptr_t)a;
            EXPECT(opaque(realloc(a, 30)) == (void *)place);
            char *moved = opaque(realloc((void *)place, 300));
            EXPECT((uintptr_t)moved != place && filled(moved, 64, 1));
            fill(moved, 300, 2);
        }
    }
}

static void *realloc_it_in_scope(void *block)
{
    ARENA_SCOPE("other thread") {
        /* Not larger: it stays where it is. */
        EXPECT(opaque(realloc(block, 50)) == block);
        char *moved = opaque(realloc(block, 500));
        EXPECT(moved != block && in_arena(moved) && filled(moved, 100, 1));
        fill(moved, 500, 2);
    }
    return NULL;
}

static void realloc_in_other_threads_scope(void)
{
    ARENA_SCOPE("owner") {
        char *block = opaque(malloc(100));
        fill(block, 100, 1);
        in_thread(realloc_it_in_scope, block);
        EXPECT(filled(block, 100, 1));
        EXPECT(malloc_usable_size(block) >= 100);
    }
}

/* ---- realloc, not routed ----------------------------------------------------------------------
 */

static void *realloc_it(void *block)
{
    char *moved = opaque(realloc(block, 200));
    EXPECT(moved && !in_arena(moved) && filled(moved, 100, 1));
    fill(moved, 200, 2);
    return moved;
}

static void realloc_outside(void)
{
    void *paused = NULL, *threads = NULL, *smaller = NULL, *late;
    ARENA_SCOPE("owner") {
        void *blocks[4];
        for (int i = 0; i < 4; i++)
            fill(blocks[i] = opaque(malloc(100)), 100, 1);
        ARENA_SCOPE_PAUSED
        {
            paused = realloc_it(blocks[0]);
            /* Smaller ones move as well. */
            smaller = opaque(realloc(blocks[1], 40));
            EXPECT(!in_arena(smaller) && filled(smaller, 40, 1));
        }
        threads = in_thread(realloc_it, blocks[2]);
        late = blocks[3];
    }
    /* Legal or not, the contents are still there as long as no scope has overwritten them. */
    late = realloc_it(late);
    ARENA_SCOPE("overwrite")
        fill(opaque(malloc(1000)), 1000, 7);
    EXPECT(filled(paused, 200, 2) && filled(threads, 200, 2) && filled(late, 200, 2));
    EXPECT(filled(smaller, 40, 1));
    free(paused);
    free(threads);
    free(late);
    free(smaller);
}

/* Memory of the next allocator keeps its origin. */
static void realloc_others(void)
{
    char *block = opaque(malloc(100));
    char *small = opaque(malloc(100));
    fill(block, 100, 1);
    ARENA_SCOPE("others") {
        char *own = opaque(malloc(100));
        fill(own, 100, 3);
        block = opaque(realloc(block, 100000));
        EXPECT(!in_arena(block) && filled(block, 100, 1));
        small = opaque(reallocarray(small, 5, 3));
        EXPECT(!in_arena(small));
        EXPECT(filled(own, 100, 3));
        fill(block, 100000, 2);
        free(small);
    }
    EXPECT(filled(block, 100000, 2));
    free(block);
}

static void *usable_size_of(void *block)
{
    return (void *)malloc_usable_size(block);
}

static void usable_size(void)
{
    ARENA_SCOPE("usable") {
        char *block = opaque(malloc(100));
        size_t size = malloc_usable_size(block);
        EXPECT(size >= 100 && size < 140);
        EXPECT((size_t)in_thread(usable_size_of, block) == size);
        ARENA_SCOPE_PAUSED EXPECT(malloc_usable_size(block) == size);
        ARENA_SCOPE("inner")
            EXPECT(malloc_usable_size(block) == size);
        free(opaque(malloc(1)));
        EXPECT(malloc_usable_size(block) == size);
    }
}

/* keep moves the block out: the copy outlives the scope, the place is free again. */
static void keep(void)
{
    char *kept = NULL, *other = opaque(malloc(10));
    ARENA_SCOPE("keep") {
        char *block = opaque(malloc(300));
        uintptr_t place = (uintptr_t)block;
        fill(block, 300, 1);
        kept = arena_scope_keep(block);
        EXPECT(!in_arena(kept) && filled(kept, 300, 1));
        EXPECT(malloc_usable_size(kept) >= 300);
        EXPECT((uintptr_t)opaque(malloc(300)) == place);
        EXPECT(arena_scope_keep(other) == other && arena_scope_keep(NULL) == NULL);
        EXPECT(arena_scope_keep(kept) == kept);
    }
    ARENA_SCOPE("overwrite")
        fill(opaque(malloc(1000)), 1000, 7);
    EXPECT(filled(kept, 300, 1));
    free(kept);
    free(other);
}

/* ---- misuse: one line and a counter, and the program goes on ------------------------------------
 */

static void double_free(void)
{
    ARENA_SCOPE("double free") {
        char *a = opaque(malloc(100));
        char *b = opaque(malloc(100));
        fill(b, 100, 1);
        free(a);
        free(opaque(a));
        free(opaque(a));
        EXPECT(filled(b, 100, 1));
        fill(opaque(malloc(100)), 100, 2);
        EXPECT(filled(b, 100, 1));
    }
}

static void free_of_the_middle(void)
{
    ARENA_SCOPE("middle") {
        char *a = opaque(calloc(1, 100));
        char *b = opaque(malloc(100));
        fill(b, 100, 1);
        free(opaque(a + 32));
        EXPECT(zeroed(a, 100) && filled(b, 100, 1));
        EXPECT(opaque(malloc(100)) != a);
    }
}

static void end_without_begin(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    EXPECT(in_arena(opaque(malloc(1))));
    arena_scope_end(token);
    arena_scope_end(token);
    EXPECT(arena_scope_active() == 0);
    arena_scope_token none = {0};
    arena_scope_end(none);
}

static void ended_already(void)
{
    ARENA_SCOPE("outer") {
        arena_scope_token token = arena_scope_begin(NULL);
        arena_scope_end(token);
        arena_scope_end(token);
        EXPECT(arena_scope_active() == 1 && in_arena(opaque(malloc(1))));
    }
}

static void *end_it(void *token)
{
    arena_scope_end(*(arena_scope_token *)token);
    ARENA_SCOPE("own") {
        arena_scope_end(*(arena_scope_token *)token);
        EXPECT(arena_scope_active() == 1);
    }
    return NULL;
}

static void token_of_another_thread(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    char *block = opaque(malloc(100));
    fill(block, 100, 1);
    in_thread(end_it, &token);
    EXPECT(arena_scope_active() == 1);
    EXPECT(opaque(malloc(100)) != block && filled(block, 100, 1));
    arena_scope_end(token);
    EXPECT(arena_scope_active() == 0);
}

static void resume_without_pause(void)
{
    arena_scope_resume();
    ARENA_SCOPE("resume") {
        arena_scope_resume();
        EXPECT(arena_scope_active() == 1 && in_arena(opaque(malloc(1))));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"free_in_scope", free_in_scope},
        {"realloc_to_nothing", realloc_to_nothing},
        {"free_in_inner_scope", free_in_inner_scope},
        {"free_from_other_threads", free_from_other_threads},
        {"free_after_scope", free_after_scope},
        {"free_others_in_scope", free_others_in_scope},
        {"realloc_in_scope", realloc_in_scope},
        {"realloc_copies_exactly", realloc_copies_exactly},
        {"realloc_in_inner_scope", realloc_in_inner_scope},
        {"realloc_in_other_threads_scope", realloc_in_other_threads_scope},
        {"realloc_outside", realloc_outside},
        {"realloc_others", realloc_others},
        {"usable_size", usable_size},
        {"keep", keep},
        {"double_free", double_free},
        {"free_of_the_middle", free_of_the_middle},
        {"end_without_begin", end_without_begin},
        {"ended_already", ended_already},
        {"token_of_another_thread", token_of_another_thread},
        {"resume_without_pause", resume_without_pause},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

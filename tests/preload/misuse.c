/* One misuse of scope memory, or of the marks, per run: misuse CASE. Each goes on to its end and
 * prints "went on" when nothing stops it. */
#include <pthread.h>
#include <unistd.h>

#include "expect.h"

static void double_free(void)
{
    ARENA_SCOPE("twice") {
        char *block = opaque(malloc(24));
        opaque(malloc(24)); /* so that it is not the newest */
        free(block);
        free(opaque(block));
    }
}

static void interior_free(void)
{
    ARENA_SCOPE("interior") {
        char *block = opaque(calloc(1, 100));
        free(opaque(block + 16));
        EXPECT(zeroed(block, 100));
    }
}

static void misaligned_free(void)
{
    ARENA_SCOPE("misaligned") {
        char *block = opaque(calloc(1, 100));
        free(opaque(block + 3));
        EXPECT(zeroed(block, 100));
    }
}

/* Into the region, where no arena has a block. */
static void foreign_free(void)
{
    ARENA_SCOPE("foreign") {
        char *block = opaque(malloc(100));
        free(opaque(block + ((size_t)9 << 30)));
    }
}

static void overrun(size_t by)
{
    ARENA_SCOPE("overrun") {
        char *block = opaque(malloc(24));
        char *next = opaque(malloc(24));
        memset(opaque(block), 'x', 24 + by);
        free(next);
        free(block);
    }
}

static void overrun_by_one(void)
{
    overrun(1);
}

static void overrun_of_header(void)
{
    overrun(80);
}

static void overrun_never_freed(void)
{
    ARENA_SCOPE("never freed") {
        memset(opaque(malloc(40)), 'x', 41);
        opaque(malloc(1));
    }
}

static void underrun(void)
{
    ARENA_SCOPE("underrun") {
        char *block = opaque(malloc(24));
        *(char *)opaque(block - 1) = 'x';
        opaque(malloc(1));
    }
}

static void overrun_after_shrinking(void)
{
    ARENA_SCOPE("shrunk") {
        char *block = opaque(malloc(100));
        opaque(malloc(1));
        block = opaque(realloc(block, 50));
        block[50] = 'x';
    }
}

static void overrun_before_shrinking(void)
{
    ARENA_SCOPE("shrunk late") {
        char *block = opaque(malloc(100));
        opaque(malloc(1));
        block[100] = 'x';
        opaque(realloc(opaque(block), 50));
    }
}

static void write_after_free(void)
{
    ARENA_SCOPE("freed") {
        char *block = opaque(malloc(24));
        opaque(malloc(24));
        free(block);
        *(volatile char *)opaque(block) = 'x';
    }
}

static void overrun_of_aligned(void)
{
    ARENA_SCOPE("aligned") {
        memset(opaque(aligned_alloc(256, 100)), 'x', 101);
    }
}

static void overrun_of_large(void)
{
    ARENA_SCOPE("large") {
        memset(opaque(malloc(200000)), 'x', 200001);
    }
}

static void overrun_of_survivor(void)
{
    char *block = NULL;
    ARENA_SCOPE("leaving") {
        block = opaque(malloc(40));
    }
    *(volatile char *)opaque(block + 40) = 'x';
    ARENA_SCOPE("next") {
        opaque(malloc(1));
    }
}

static void write_after_free_of_aligned(void)
{
    ARENA_SCOPE("freed") {
        char *block = opaque(aligned_alloc(256, 100));
        free(block);
        *(volatile char *)opaque(block + 99) = 'x';
    }
}

/* Until a sweep makes the freed ones blocks again. */
static void write_after_free_and_much(void)
{
    ARENA_SCOPE("much") {
        char *block = opaque(malloc(24));
        free(block);
        *(volatile char *)opaque(block) = 'x';
        for (int i = 0; i < 100000; i++)
            free(opaque(malloc(24)));
    }
}

static void *write_after_scope(void *unused)
{
    char *block = NULL;
    ARENA_SCOPE("thread") {
        block = opaque(malloc(24));
        free(block);
    }
    *(volatile char *)opaque(block) = 'x';
    return unused;
}

static void write_after_free_in_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, write_after_scope, NULL);
    pthread_join(thread, NULL);
}

static void end_without_begin(void)
{
    ARENA_SCOPE("first") {
    }
    arena_scope_end((arena_scope_token){0xffffffff00000001});
}

static void double_end(void)
{
    arena_scope_token token = arena_scope_begin(NULL);
    arena_scope_end(token);
    arena_scope_end(token);
}

static void *end_it(void *token)
{
    ARENA_SCOPE("of the other") {
        arena_scope_end(*(arena_scope_token *)token);
    }
    return NULL;
}

static void end_of_another_thread(void)
{
    pthread_t thread;
    arena_scope_token token = arena_scope_begin(NULL);
    pthread_create(&thread, NULL, end_it, &token);
    pthread_join(thread, NULL);
    EXPECT(arena_scope_active() == 1);
    arena_scope_end(token);
}

static void resume_without_pause(void)
{
    ARENA_SCOPE("resumed") {
        arena_scope_resume();
        EXPECT(arena_scope_active() == 1);
    }
}

/* The end of the scope forgets it. */
static void pause_without_resume(void)
{
    ARENA_SCOPE("paused") {
        arena_scope_pause();
    }
    ARENA_SCOPE("next") {
        EXPECT(arena_scope_active() == 1);
        opaque(malloc(1));
    }
}

static void left_open(void)
{
    arena_scope_token outer = arena_scope_begin(NULL);
    arena_scope_begin(NULL);
    opaque(malloc(1));
    arena_scope_end(outer);
    EXPECT(arena_scope_active() == 0);
}

/* ---- stale uses ------------------------------------------------------------------------------ */

static void stale_read(void)
{
    volatile char *kept = NULL;
    for (int i = 0; i < 3; i++)
        ARENA_SCOPE("stale") {
            opaque(malloc(100));
            char *block = opaque(malloc(24));
            if (i == 1)
                kept = block;
            opaque(malloc(3000));
        }
    (void)kept[5];
}

static void stale_write_nested(void)
{
    ARENA_SCOPE("outer") {
        char *good = opaque(malloc(5000));
        fill(good, 5000, 1);
        volatile char *kept = NULL;
        ARENA_SCOPE("inner") {
            kept = opaque(malloc(24));
        }
        char *after = opaque(malloc(5000));
        fill(after, 5000, 2);
        EXPECT(filled(good, 5000, 1) && filled(after, 5000, 2));
        kept[0] = 1;
    }
}

static void *stale_body(void *unused)
{
    ARENA_SCOPE("of a thread") {
        return opaque(malloc(24));
    }
    return unused;
}

static void stale_of_a_dead_thread(void)
{
    pthread_t thread;
    void *kept;
    pthread_create(&thread, NULL, stale_body, NULL);
    pthread_join(thread, &kept);
    (void)*(volatile char *)kept;
}

static void stale_realloc(void)
{
    void *kept = NULL;
    ARENA_SCOPE("resized") {
        kept = opaque(malloc(24));
    }
    opaque(realloc(kept, 100));
}

/* Frees are ignored, as they are without any switch. */
/* Behind the last block. */
static void stale_beside(void)
{
    char *block;
    ARENA_SCOPE("beside") {
        block = opaque(malloc(24));
    }
    *(volatile char *)opaque(block + 2000);
}

/* Of the last scope before the arena's addresses come again, past its capacity. */
static void stale_across_a_round(void)
{
    char *last = NULL;
    for (char *next = NULL; next >= last;) {
        last = next;
        ARENA_SCOPE("round") {
            next = (char *)opaque(malloc(100000)) + 99999;
        }
    }
    *(volatile char *)opaque(last);
}

static void stale_free(void)
{
    void *kept = NULL, *inner = NULL;
    ARENA_SCOPE("freed later") {
        kept = opaque(malloc(24));
        ARENA_SCOPE("inner") {
            inner = opaque(malloc(24));
        }
        free(inner);
    }
    free(kept);
    ARENA_SCOPE("next") {
        free(kept);
        opaque(malloc(1));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"double_free", double_free},
        {"interior_free", interior_free},
        {"misaligned_free", misaligned_free},
        {"foreign_free", foreign_free},
        {"overrun_by_one", overrun_by_one},
        {"overrun_of_header", overrun_of_header},
        {"overrun_never_freed", overrun_never_freed},
        {"underrun", underrun},
        {"overrun_after_shrinking", overrun_after_shrinking},
        {"overrun_before_shrinking", overrun_before_shrinking},
        {"write_after_free", write_after_free},
        {"overrun_of_aligned", overrun_of_aligned},
        {"overrun_of_large", overrun_of_large},
        {"overrun_of_survivor", overrun_of_survivor},
        {"write_after_free_of_aligned", write_after_free_of_aligned},
        {"write_after_free_and_much", write_after_free_and_much},
        {"write_after_free_in_thread", write_after_free_in_thread},
        {"end_without_begin", end_without_begin},
        {"double_end", double_end},
        {"end_of_another_thread", end_of_another_thread},
        {"resume_without_pause", resume_without_pause},
        {"pause_without_resume", pause_without_resume},
        {"left_open", left_open},
        {"stale_read", stale_read},
        {"stale_write_nested", stale_write_nested},
        {"stale_of_a_dead_thread", stale_of_a_dead_thread},
        {"stale_realloc", stale_realloc},
        {"stale_beside", stale_beside},
        {"stale_across_a_round", stale_across_a_round},
        {"stale_free", stale_free},
    };
    /* So that each run has a call that is routed. */
    ARENA_SCOPE("before") {
        opaque(malloc(1));
    }
    int failed = run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
    if (argc > 1 && failed == 0)
        puts("went on");
    return failed;
}

/*
 * Programs whose scopes leave blocks alive, for ARENASHIM_END=retain: retain CASE [NUMBER...]. Each
 * looks at the contents of what it draws, and prints what retain.sh is to judge.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "interrupt.h"

enum { CHUNK = 32768, LEFT = 512 };

static long number(char **argv, int i)
{
    return argv[i] ? atol(argv[i]) : 0;
}

/* "NAME:   123 kB" of the process. */
static long status_of(const char *name)
{
    char line[200];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atol(line + strlen(name));
    fclose(file);
    return value;
}

/* ---- a block of each scope stays ------------------------------------------------------------- */

struct node {
    struct node *next;
    long values[4];
};

static struct node *list;

static __attribute__((noinline)) void push(long value)
{
    struct node *node = opaque(malloc(sizeof *node));
    *node = (struct node){list, {value, ~value, value * 3, 7}};
    list = node;
}

static void check_list(long count)
{
    for (struct node *node = list; node; node = node->next) {
        count--;
        EXPECT(node->values[0] == count && node->values[1] == ~count &&
               node->values[2] == count * 3 && node->values[3] == 7);
    }
    EXPECT(count == 0);
}

static void leave_one_each(char **argv)
{
    long count = number(argv, 0);
    for (long i = 0; i < count; i++) {
        ARENA_SCOPE("leaves one") {
            char *passing = opaque(malloc(100));
            memset(passing, 1, 100);
            push(i);
            free(passing);
        }
    }
    long resident = status_of("VmHWM:");
    check_list(count);
    printf("%ld\n", resident);
}

/* In one scope that lasts, among blocks that are freed in the order they were drawn in. */
static void leave_in_one_scope(char **argv)
{
    enum { PASSING = 200 };
    void *passing[PASSING] = {NULL};
    long count = number(argv, 0);
    ARENA_SCOPE("lasts") {
        for (long i = 0; i < count; i++) {
            for (int k = 0; k < PASSING; k++) {
                free(passing[k]);
                passing[k] = opaque(malloc((size_t)(100 + (i * 7 + k * 13) % 300)));
            }
            push(i);
        }
        printf("%ld\n", status_of("VmHWM:"));
        check_list(count);
    }
}

/* ---- memory that is resident ----------------------------------------------------------------- */

/* Pages from `start` on, one neighbour after the other, that are resident. */
static size_t resident_from(uintptr_t start, size_t pages)
{
    unsigned char is_resident;
    size_t sum = 0;
    for (size_t i = 0; i < pages; i++) /* where nothing is mapped mincore fails */
        sum += mincore((void *)(start + i * 4096), 4096, &is_resident) == 0 && (is_resident & 1);
    return sum * 4096;
}

static void fill_scope(size_t bytes, size_t size, bool freeing)
{
    ARENA_SCOPE("filled") {
        for (size_t drawn = 0; drawn < bytes; drawn += size) {
            void *block = opaque(malloc(size));
            memset(block, 1, size);
            if (!freeing)
                *(void **)block = list;
            else
                free(block);
            if (!freeing)
                list = block;
        }
        while (list) {
            void *block = list;
            list = list->next;
            free(block);
        }
    }
}

/* fill_and_measure MEGABYTES KILOBYTES: a large scope, small ones, and what of their memory stays
 * resident. */
static void fill_and_measure(char **argv)
{
    uintptr_t start = 0;
    ARENA_SCOPE("first") {
        void *block = opaque(malloc(10));
        start = (uintptr_t)block & ~(uintptr_t)4095;
        free(block);
    }
    fill_scope((size_t)number(argv, 0) << 20, 4000, false);
    fill_scope((size_t)number(argv, 0) << 20, 400000, false);
    for (int i = 0; i < 200; i++)
        fill_scope((size_t)number(argv, 1) << 10, 300, false);
    printf("%zu\n", resident_from(start, ((size_t)600 << 20) / 4096));
}

/* ---- memory that is used again --------------------------------------------------------------- */

static unsigned char *left[LEFT];
static uintptr_t chunks[4096];
static size_t chunks_used;

static void note_chunk(const void *block)
{
    uintptr_t chunk = (uintptr_t)block / CHUNK;
    for (size_t i = 0; i < chunks_used; i++)
        if (chunks[i] == chunk)
            return;
    EXPECT(chunks_used < sizeof chunks / sizeof *chunks);
    chunks[chunks_used++] = chunk;
}

static size_t size_of(int i)
{
    return i % 64 == 5 ? 50000 : 200 + (size_t)i * 7 % 1800;
}

static void *leave(void *unused)
{
    ARENA_SCOPE("left") {
        for (int i = 0; i < LEFT; i++) {
            left[i] = opaque(malloc(size_of(i)));
            memset(left[i], i % 251, size_of(i));
            note_chunk(left[i]);
        }
    }
    return unused;
}

static void *take_away(void *unused)
{
    for (int i = 0; i < LEFT; i++) {
        for (size_t k = 0; k < size_of(i); k++)
            EXPECT(left[i][k] == i % 251);
        free(left[i]);
    }
    return unused;
}

static void in_thread(void *(*body)(void *))
{
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, body, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

static void take_away_in_scope(void)
{
    ARENA_SCOPE("taking away") {
        take_away(NULL);
    }
}

static void rounds(const char *who)
{
    bool owner_dies = strcmp(who, "after_death") == 0 || strcmp(who, "heirs") == 0;
    for (int round = 0; round < 100; round++) {
        if (owner_dies)
            in_thread(leave);
        else
            leave(NULL);
        if (strcmp(who, "scope") == 0)
            take_away_in_scope();
        else if (strcmp(who, "thread") == 0 || strcmp(who, "heirs") == 0)
            in_thread(take_away);
        else
            take_away(NULL);
    }
}

/* use_again WHO: how many chunks 100 rounds of the same blocks take. */
static void use_again(char **argv)
{
    if (strcmp(argv[0], "child") == 0) {
        leave(NULL);
        pid_t child = fork();
        if (child == 0) {
            take_away(NULL);
            rounds("owner");
            printf("%zu\n", chunks_used);
            fflush(stdout);
            _exit(0);
        }
        int status;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        take_away(NULL);
        return;
    }
    rounds(argv[0]);
    printf("%zu\n", chunks_used);
}

/* A long scope that allocates and frees in any order. */
static void any_order(char **argv)
{
    uint64_t random = 88172645463325252U;
    (void)argv;
    ARENA_SCOPE("long") {
        for (int i = 0; i < LEFT; i++)
            left[i] = NULL;
        for (long turn = 0; turn < 400000; turn++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            int i = (int)(random % LEFT);
            if (left[i]) {
                EXPECT(left[i][0] == i % 251 && left[i][99] == i % 251);
                free(left[i]);
            }
            left[i] = opaque(malloc(100 + random / LEFT % 400));
            memset(left[i], i % 251, 100);
            note_chunk(left[i]);
        }
    }
    printf("%zu\n", chunks_used);
}

/* ---- realloc of what stays ------------------------------------------------------------------- */

static unsigned char *resized;
static size_t resized_size;

static void resize(size_t size)
{
    size_t kept = resized_size < size ? resized_size : size;
    resized = opaque(realloc(resized, size));
    EXPECT(malloc_usable_size(resized) >= size);
    for (size_t i = 0; i < kept; i++)
        EXPECT(resized[i] == (unsigned char)(i * 7));
    for (size_t i = 0; i < size; i++)
        resized[i] = (unsigned char)(i * 7);
    resized_size = size;
}

static void resize_in_scope(size_t size)
{
    ARENA_SCOPE("resizing") {
        free(opaque(malloc(20)));
        resize(size);
        void *behind = opaque(malloc(20));
        memset(behind, 1, 20);
    }
}

static void resize_in_pause(size_t size)
{
    ARENA_SCOPE("pausing") {
        arena_scope_pause();
        resize(size);
        arena_scope_resume();
    }
}

static size_t resize_to;

static void *resize_in_thread(void *unused)
{
    if (resize_to % 2)
        resize(resize_to);
    else
        resize_in_scope(resize_to);
    return unused;
}

static void realloc_everywhere(char **argv)
{
    static const size_t sizes[] = {1,     40,    41,    200,    100,   15000,
                                   17000, 40000, 33000, 300000, 90000, 24};
    (void)argv;
    for (size_t from = 0; from < sizeof sizes / sizeof *sizes; from++) {
        for (size_t to = 0; to < sizeof sizes / sizeof *sizes; to++) {
            for (int where = 0; where < 5; where++) {
                ARENA_SCOPE("resized") {
                    resized_size = 0;
                    resized = NULL;
                    resize(sizes[from]);
                }
                resize_to = sizes[to] + (size_t)(where == 4);
                if (where == 0)
                    resize(resize_to);
                else if (where == 1)
                    resize_in_scope(resize_to);
                else if (where == 2)
                    resize_in_pause(resize_to);
                else
                    in_thread(resize_in_thread);
                resize(resized_size + 10);
                free(resized);
            }
        }
    }
}

/* ---- signals --------------------------------------------------------------------------------- */

struct kept {
    unsigned char *block;
    size_t size;
};

/* What the program, and what the handler, keeps. */
static struct list {
    struct kept blocks[256];
    volatile int count;
} own, handlers;

static volatile long steps, act_at, acts;
static int act_kind;

static void keep(struct list *to, unsigned char *block, size_t size)
{
    if (!block)
        _exit(4);
    memset(block, to->count + 1, size);
    to->blocks[to->count] = (struct kept){block, size};
    to->count++;
}

static void check_list_of(const struct list *kept)
{
    for (int i = 0; i < kept->count; i++)
        for (size_t k = 0; k < kept->blocks[i].size; k++)
            if (kept->blocks[i].block[k] != (unsigned char)(i + 1)) {
                fprintf(stderr, "block %d of %zu bytes, byte %zu, at step %ld of kind %d\n", i,
                        kept->blocks[i].size, k, act_at, act_kind);
                _exit(5);
            }
}

static void check_kept(void)
{
    check_list_of(&own);
    check_list_of(&handlers);
}

static void free_kept(void)
{
    check_kept();
    while (own.count > 0)
        free(own.blocks[--own.count].block);
    while (handlers.count > 0)
        free(handlers.blocks[--handlers.count].block);
}

/* What a handler does. Blocks of 9000 bytes lead it from chunk to chunk. */
static void act(int kind)
{
    arena_scope_site site = {"handler", __FILE__, __LINE__, 0};
    arena_scope_token token = {0};
    if (kind != 2)
        token = arena_scope_begin(&site);
    for (int i = 0; i < 5 && kind < 2; i++) {
        void *block = malloc(9000);
        if (kind == 1 && i == 4)
            keep(&handlers, block, 9000);
        else
            free(memset(block, 0xee, 9000));
    }
    void *first = malloc(40);
    void *second = malloc(60);
    free(memset(first, 0xee, 40));
    if (kind == 0 || kind == 3)
        free(memset(second, 0xee, 60));
    else
        keep(&handlers, second, 60);
    if (kind != 2)
        arena_scope_end(token);
}

static void on_step(int unused, siginfo_t *info, void *context)
{
    (void)unused;
    (void)info;
    if (steps++ != act_at)
        return;
    acts++;
    act(act_kind);
#ifdef __x86_64__
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100; /* no more steps */
#else
    (void)context;
#endif
}

#define OPERATION(number, statement)                                                               \
    do {                                                                                           \
        if (stepped == (number))                                                                   \
            STEP_ON();                                                                             \
        statement;                                                                                 \
        if (stepped == (number))                                                                   \
            STEP_OFF();                                                                            \
    } while (0)
enum { OPERATIONS = 13 };

static __attribute__((noinline)) void interrupted(int stepped)
{
    static const arena_scope_site outer_site = {"outer", __FILE__, __LINE__, 0};
    static const arena_scope_site site = {"interrupted", __FILE__, __LINE__, 0};
    arena_scope_token outer, inner;
    unsigned char *a, *b, *c, *d, *e;
    OPERATION(0, outer = arena_scope_begin(&outer_site));
    OPERATION(1, a = malloc(70));
    keep(&own, a, 70);
    OPERATION(2, inner = arena_scope_begin(&site));
    OPERATION(3, a = malloc(100));
    OPERATION(4, b = malloc(200));
    memset(a, 1, 100);
    memset(b, 1, 200);
    OPERATION(5, free(b));
    OPERATION(6, c = calloc(1, 1000));
    keep(&own, c, 1000);
    OPERATION(7, free(a));
    OPERATION(8, d = malloc(900));
    OPERATION(9, d = realloc(d, 1500)); /* a copy of more would have an instruction for each byte */
    keep(&own, d, 1500);
    OPERATION(10, arena_scope_end(inner));
    OPERATION(11, e = malloc(80));
    EXPECT(in_arena(e) || stepped == 11); /* routing goes on behind a handler */
    keep(&own, e, 80);
    OPERATION(12, arena_scope_end(outer));
}

static long act_at_step(int operation)
{
    steps = acts = 0;
    ARENA_SCOPE("before") {
        keep(&own, malloc(30), 30);
        keep(&own, malloc(7000), 7000);
    }
    interrupted(operation);
    if (act_at % 3)
        free_kept();
    check_kept();
    ARENA_SCOPE("after") {
        keep(&own, malloc(9000), 9000);
        keep(&own, malloc(9000), 9000);
        check_kept();
        if (act_at % 2)
            free_kept();
    }
    free_kept();
    return acts;
}

/* A handler at every `number`th instruction, one at a time. */
static void at_each_step(char **argv)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    long every = number(argv, 0), sum = 0;
    arena_learn();
    for (act_kind = 0; act_kind < 4; act_kind++)
        for (int operation = 0; operation < OPERATIONS; operation++)
            for (act_at = act_kind % every; act_at_step(operation) > 0; act_at += every)
                sum++;
    printf("%ld\n", sum * every);
}

/* A timer's signals through millions of calls. */
static void on_alarm(int unused)
{
    static unsigned turn;
    (void)unused;
    if (handlers.count < 200)
        act((int)(turn++ % 4));
    acts++;
}

static void under_alarms(char **argv)
{
    long scopes = number(argv, 0);
    timer_t timer = start_alarms(on_alarm, 20000);
    for (long i = 0; i < scopes; i++) {
        unsigned char *drawn[20];
        mask_alarms(SIG_UNBLOCK);
        ARENA_SCOPE("alarmed") {
            for (int k = 0; k < 20; k++)
                drawn[k] = memset(opaque(malloc(40 + (size_t)k * 30)), k, 40 + (size_t)k * 30);
            for (int k = 0; k < 20; k += 2)
                free(drawn[k]);
        }
        for (int k = 1; k < 20; k += 2) {
            for (size_t n = 0; n < 40 + (size_t)k * 30; n++)
                EXPECT(drawn[k][n] == k);
            free(drawn[k]);
        }
        mask_alarms(SIG_BLOCK);
        free_kept();
    }
    timer_delete(timer);
    EXPECT(acts > 50);
}

/* ---- the statistics -------------------------------------------------------------------------- */

static void *free_five(void *blocks)
{
    for (int i = 0; i < 5; i++)
        free(((void **)blocks)[i]);
    return NULL;
}

/* 10 scopes that each leave 3 blocks of 5; of these 5 are freed by a thread, 2 here in a scope and
 * 4 out of scope. */
static void counted(char **argv)
{
    static void *blocks[30];
    pthread_t thread;
    (void)argv;
    for (int i = 0; i < 10; i++)
        ARENA_SCOPE("counted") {
            free(opaque(malloc(30)));
            for (int k = 0; k < 3; k++)
                blocks[i * 3 + k] = opaque(malloc(4000));
            free(opaque(malloc(30)));
        }
    EXPECT(pthread_create(&thread, NULL, free_five, blocks) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    ARENA_SCOPE("freeing") {
        free(blocks[5]);
        free(blocks[6]);
    }
    for (int i = 7; i < 11; i++)
        free(blocks[i]);
}

/* The blocks that an inner scope frees do not survive the outer one. */
static void freed_inside(char **argv)
{
    void *blocks[100];
    (void)argv;
    ARENA_SCOPE("outside") {
        for (int i = 0; i < 100; i++)
            blocks[i] = opaque(malloc(100));
        ARENA_SCOPE("inside") {
            for (int i = 0; i < 99; i++)
                free(blocks[i]);
        }
    }
    free(blocks[99]);
}

/* ---- overflow -------------------------------------------------------------------------------- */

/* overflow BLOCKS SIZE: what becomes of so many blocks: "drawn refused". */
static void overflowing(char **argv)
{
    long refused = 0, count = number(argv, 0);
    size_t size = (size_t)number(argv, 1);
    unsigned char **blocks = malloc((size_t)count * sizeof *blocks);
    ARENA_SCOPE("overflowing") {
        for (long i = 0; i < count; i++) {
            blocks[i] = opaque(malloc(size));
            if (blocks[i])
                memset(blocks[i], (int)i, size);
            else
                refused++;
        }
    }
    for (long i = 0; i < count; i++) {
        for (size_t k = 0; blocks[i] && k < size; k++)
            EXPECT(blocks[i][k] == (unsigned char)i);
        free(blocks[i]);
    }
    free(blocks);
    printf("%ld %ld\n", count - refused, refused);
}

/* Frees by another thread make room within the capacity again. */
static void *free_one(void *block)
{
    free(block);
    return NULL;
}

static void emptied_elsewhere(char **argv)
{
    (void)argv;
    ARENA_SCOPE("emptied") {
        for (int i = 0; i < 40; i++) {
            pthread_t thread;
            void *block = opaque(malloc(200000));
            EXPECT(block != NULL);
            memset(block, 1, 200000);
            EXPECT(pthread_create(&thread, NULL, free_one, block) == 0);
            EXPECT(pthread_join(thread, NULL) == 0);
        }
    }
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void misused(char **argv)
{
    unsigned char *block = NULL;
    ARENA_SCOPE("misused") {
        block = opaque(malloc(strcmp(argv[0], "large") == 0 ? 100000 : 100));
        free(opaque(malloc(10)));
        if (strcmp(argv[0], "overrun") == 0) {
            block[100] = 1;
            free(block);
        }
    }
    if (strcmp(argv[0], "twice") == 0)
        free(block);
    if (strcmp(argv[0], "twice") == 0 || strcmp(argv[0], "overrun_late") == 0) {
        block[100] = strcmp(argv[0], "twice") != 0;
        free(block);
    } else if (strcmp(argv[0], "inside") == 0) {
        free(block + 3);
    } else if (strcmp(argv[0], "large") == 0) {
        memset(block, 0, 100000);
        free(block + 64);
        free(block + 50000);
        free(block);
    }
}

/* malloc_trim takes what free chunks hold, also a second time. */
static void trimmed(char **argv)
{
    (void)argv;
    uintptr_t start = 0;
    ARENA_SCOPE("trimmed") {
        start = (uintptr_t)opaque(malloc(4000)) & ~(uintptr_t)4095;
    }
    for (int i = 0; i < 3; i++) {
        fill_scope(800000, 4000, false);
        size_t before = resident_from(start, 200);
        EXPECT(malloc_trim(i == 2 ? 65536 : 0) == 1);
        printf("%d%s", resident_from(start, 200) + 400000 < before, i == 2 ? "\n" : " ");
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(char **);
    } cases[] = {
        {"leave_one_each", leave_one_each},
        {"leave_in_one_scope", leave_in_one_scope},
        {"fill_and_measure", fill_and_measure},
        {"use_again", use_again},
        {"any_order", any_order},
        {"realloc_everywhere", realloc_everywhere},
        {"at_each_step", at_each_step},
        {"under_alarms", under_alarms},
        {"counted", counted},
        {"freed_inside", freed_inside},
        {"overflowing", overflowing},
        {"emptied_elsewhere", emptied_elsewhere},
        {"misused", misused},
        {"trimmed", trimmed},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases && argc > 1; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run(argv + 2);
            return expect_failures > 0;
        }
    return 2;
}

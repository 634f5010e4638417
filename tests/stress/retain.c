/*
 * The stress test of scopes that retain what is alive: workers that allocate in scopes, nested and
 * left open, free at once, later, in other threads and out of scope, keep blocks alive across scope
 * ends, deaths of their threads and forks, and look at the contents of every block again and again.
 * Preload libarenashim.so with ARENASHIM_END=retain.
 *
 * Ends with status 0 and a line of counts, or aborts after a line that names the worker, what it
 * found and the seed.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arenashim/scope.h>

enum { WORKERS_MAX = 32, LIVE_MAX = 3000, DEPTH_MAX = 30, MAIL_MAX = 256, FULL = 2048 };

struct block {
    unsigned char *start;
    size_t size;
    unsigned seed;
};

struct worker {
    int number;
    uint64_t random;
    uint64_t operations, survivors, mailed, forks, lives, jumps;
    size_t live;
    struct block blocks[LIVE_MAX];
    int depth;
    struct {
        arena_scope_token token;
        size_t live; /* blocks that were alive at begin */
        int paused;  /* pauses not yet resumed */
    } scopes[DEPTH_MAX];
    pthread_mutex_t lock;
    int letters;
    struct block mail[MAIL_MAX];
};

static struct worker workers[WORKERS_MAX];
static int count = 4;
static uint64_t seed = 1;
static bool stop;
static size_t largest = 100000;
static uint64_t handled;

/* What the signal handler's last scope left alive; the program frees it. */
static __thread void *left;

#define REQUIRE(worker, condition) ((condition) ? (void)0 : fail((worker), #condition, __LINE__))

__attribute__((noreturn)) static void fail(const struct worker *worker, const char *what, int line)
{
    char text[300];
    int length = snprintf(
        text, sizeof text, "retain.c:%d: worker %d, operation %llu, seed %llu: not so: %s\n", line,
        worker->number, (unsigned long long)worker->operations, (unsigned long long)seed, what);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(3);
    abort();
}

static uint64_t below(struct worker *worker, uint64_t bound)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % bound;
}

/* ---- contents -------------------------------------------------------------------------------- */

static unsigned char byte_at(const struct block *block, size_t i)
{
    return (unsigned char)(block->seed + i * 31 + (i >> 8));
}

/* Which bytes of a block are looked at: all of a small one, both ends and a stride of a large. */
static size_t next_index(const struct block *block, size_t i)
{
    if (block->size <= FULL || i + 64 >= block->size || i < 64)
        return i + 1;
    return i + 509 < block->size - 64 ? i + 509 : block->size - 64;
}

static void fill(struct block *block, size_t from)
{
    for (size_t i = from; i < block->size; i++)
        block->start[i] = byte_at(block, i);
}

static bool is_whole(const struct block *block, size_t size)
{
    for (size_t i = 0; i < size; i = next_index(block, i))
        if (block->start[i] != byte_at(block, i))
            return false;
    return true;
}

static size_t any_size(struct worker *worker)
{
    switch (below(worker, 40)) {
    case 0:
        return below(worker, largest);
    case 1:
        return below(worker, 20000);
    case 2:
        return 0;
    case 3:
    case 4:
        return below(worker, 2000);
    default:
        return below(worker, 150);
    }
}

static void add(struct worker *worker, void *start, size_t size)
{
    REQUIRE(worker, start != NULL && (uintptr_t)start % 16 == 0);
    REQUIRE(worker, malloc_usable_size(start) >= size);
    struct block *block = &worker->blocks[worker->live++];
    *block = (struct block){start, size, (unsigned)below(worker, 256)};
    fill(block, 0);
}

static struct block take(struct worker *worker, size_t index)
{
    struct block block = worker->blocks[index];
    REQUIRE(worker, is_whole(&block, block.size));
    worker->blocks[index] = worker->blocks[--worker->live];
    return block;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void draw(struct worker *worker)
{
    size_t size = any_size(worker);
    size_t alignment = (size_t)16 << below(worker, 9);
    void *start = NULL;
    switch (below(worker, 6)) {
    case 0:
        start = calloc(1, size);
        for (size_t i = 0; i < size; i++)
            REQUIRE(worker, ((unsigned char *)start)[i] == 0);
        break;
    case 1:
        REQUIRE(worker, posix_memalign(&start, alignment, size) == 0);
        REQUIRE(worker, (uintptr_t)start % alignment == 0);
        break;
    case 2:
        start = realloc(NULL, size);
        break;
    default:
        start = malloc(size);
    }
    add(worker, start, size);
}

static void release(struct worker *worker)
{
    if (worker->live == 0)
        return;
    size_t newest = worker->live - 1;
    size_t near = newest - below(worker, newest < 20 ? newest + 1 : 20);
    free(take(worker, below(worker, 4) ? near : below(worker, worker->live)).start);
}

static void resize(struct worker *worker)
{
    if (worker->live == 0)
        return;
    size_t index = below(worker, 2) ? worker->live - 1 : below(worker, worker->live);
    struct block *block = &worker->blocks[index];
    size_t size = any_size(worker) + 1;
    size_t kept = block->size < size ? block->size : size;
    REQUIRE(worker, is_whole(block, block->size));
    block->start = realloc(block->start, size);
    REQUIRE(worker, block->start && (uintptr_t)block->start % 16 == 0);
    REQUIRE(worker, malloc_usable_size(block->start) >= size);
    struct block before = {block->start, block->size, block->seed};
    REQUIRE(worker, is_whole(&before, kept));
    block->size = size;
    fill(block, 0);
}

static void look(struct worker *worker)
{
    for (int i = 0; i < 20 && worker->live > 0; i++) {
        const struct block *block = &worker->blocks[below(worker, worker->live)];
        REQUIRE(worker, is_whole(block, block->size));
    }
}

static void look_at_all(struct worker *worker)
{
    for (size_t i = 0; i < worker->live; i++)
        REQUIRE(worker, is_whole(&worker->blocks[i], worker->blocks[i].size));
}

static void begin(struct worker *worker)
{
    static const arena_scope_site sites[] = {{"a", "f", 1, 0}, {"b", "f", 2, 0}, {"c", "g", 3, 0}};
    if (worker->depth == DEPTH_MAX)
        return;
    worker->scopes[worker->depth].paused = 0;
    worker->scopes[worker->depth].token = arena_scope_begin(&sites[below(worker, 3)]);
    worker->scopes[worker->depth++].live = worker->live;
}

/* Ends the innermost scope, or one further out with all inside. */
static void end(struct worker *worker)
{
    if (worker->depth == 0)
        return;
    int left = worker->depth - 1 - (below(worker, 8) ? 0 : (int)below(worker, DEPTH_MAX));
    /* A scope that ends by its own token must not be paused. */
    do {
        worker->depth--;
        for (int *paused = &worker->scopes[worker->depth].paused; *paused > 0; --*paused)
            arena_scope_resume();
    } while (worker->depth > left && worker->depth > 0 &&
             worker->scopes[worker->depth - 1].paused == 0);
    arena_scope_end(worker->scopes[worker->depth].token);
    if (worker->live > worker->scopes[worker->depth].live)
        worker->survivors += worker->live - worker->scopes[worker->depth].live;
}

static void pause_or_resume(struct worker *worker)
{
    if (worker->depth == 0)
        return;
    int *paused = &worker->scopes[worker->depth - 1].paused;
    if (*paused > 2 || (*paused > 0 && below(worker, 2))) {
        arena_scope_resume();
        --*paused;
    } else {
        arena_scope_pause();
        ++*paused;
    }
}

static void post(struct worker *worker)
{
    struct worker *to = &workers[below(worker, (uint64_t)count)];
    if (worker->live == 0 || to == worker)
        return;
    struct block block = take(worker, below(worker, worker->live));
    pthread_mutex_lock(&to->lock);
    bool fits = to->letters < MAIL_MAX;
    if (fits)
        to->mail[to->letters++] = block;
    pthread_mutex_unlock(&to->lock);
    if (fits)
        worker->mailed++;
    else
        free(block.start);
}

static void read_mail(struct worker *worker)
{
    struct block mail[MAIL_MAX];
    pthread_mutex_lock(&worker->lock);
    int letters = worker->letters;
    memcpy(mail, worker->mail, (size_t)letters * sizeof *mail);
    worker->letters = 0;
    pthread_mutex_unlock(&worker->lock);
    for (int i = 0; i < letters; i++) {
        REQUIRE(worker, is_whole(&mail[i], mail[i].size));
        if (below(worker, 3) && worker->live < LIVE_MAX)
            worker->blocks[worker->live++] = mail[i];
        else
            free(mail[i].start);
    }
}

static void jump(struct worker *worker)
{
    static __thread jmp_buf back;
    if (worker->depth == 0 || worker->scopes[worker->depth - 1].paused > 0)
        return;
    worker->jumps++;
    if (setjmp(back) == 0) {
        arena_scope_token token = arena_scope_begin(NULL);
        free(malloc(100));
        (void)token;
        longjmp(back, 1);
    }
}

/* The child has the worker's blocks, its open scopes and what other threads left. */
static void fork_child(struct worker *worker)
{
    worker->forks++;
    pid_t child = fork();
    REQUIRE(worker, child >= 0);
    if (child == 0) {
        alarm(60);
        look_at_all(worker);
        for (int i = 0; i < 300 && worker->live < LIVE_MAX; i++) {
            if (below(worker, 3))
                draw(worker);
            release(worker);
        }
        end(worker);
        begin(worker);
        for (int i = 0; i < 100 && worker->live < LIVE_MAX; i++)
            draw(worker);
        end(worker);
        look_at_all(worker);
        while (worker->live > 0)
            free(take(worker, worker->live - 1).start);
        _exit(0);
    }
    int status;
    pid_t ended;
    while ((ended = waitpid(child, &status, 0)) < 0)
        continue;
    REQUIRE(worker, ended == child && status == 0);
}

static void step(struct worker *worker)
{
    worker->operations++;
    free(__atomic_exchange_n(&left, NULL, __ATOMIC_ACQUIRE));
    uint64_t kind = below(worker, 1000);
    if (worker->live > LIVE_MAX - 500)
        release(worker);
    else if (kind < 430)
        draw(worker);
    else if (kind < 770)
        release(worker);
    else if (kind < 830)
        resize(worker);
    else if (kind < 880)
        begin(worker);
    else if (kind < 930)
        end(worker);
    else if (kind < 950)
        look(worker);
    else if (kind < 965)
        post(worker);
    else if (kind < 975)
        read_mail(worker);
    else if (kind < 985)
        pause_or_resume(worker);
    else if (kind < 990)
        jump(worker);
    else if (kind == 999 && below(worker, 30) == 0)
        fork_child(worker);
    else if (kind == 998 && below(worker, 10) == 0)
        malloc_trim(0);
}

static bool is_done(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void mask_timer(int how)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, SIGALRM);
    pthread_sigmask(how, &own, NULL);
}

/* One thread's life; it may end with scopes open. */
static void *live(void *argument)
{
    struct worker *worker = argument;
    mask_timer(SIG_UNBLOCK);
    for (uint64_t left = below(worker, 30000); left > 0 && !is_done(); left--)
        step(worker);
    if (below(worker, 2))
        while (worker->depth > 0)
            end(worker);
    worker->depth = 0;
    worker->lives++;
    return NULL;
}

static void *keep_alive(void *argument)
{
    struct worker *worker = argument;
    while (!is_done()) {
        pthread_t thread;
        REQUIRE(worker, pthread_create(&thread, NULL, live, worker) == 0);
        REQUIRE(worker, pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

/* ---- signals --------------------------------------------------------------------------------- */

/* Scopes of its own in those of the program, wherever it is in the shim; elsewhere it may have
 * interrupted the C library's malloc, which must not be called then. */
static void on_timer(int signal)
{
    (void)signal;
    if (!arena_scope_active() || __atomic_load_n(&left, __ATOMIC_RELAXED))
        return;
    arena_scope_token token = arena_scope_begin(NULL);
    unsigned char *blocks[8];
    for (int i = 0; i < 8; i++) {
        blocks[i] = malloc(100);
        memset(blocks[i], i, 100);
    }
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 100; k++)
            if (blocks[i][k] != i)
                abort();
        if (i > 0)
            free(blocks[i]);
    }
    arena_scope_end(token);
    __atomic_store_n(&left, blocks[0], __ATOMIC_RELEASE);
    __atomic_fetch_add(&handled, 1, __ATOMIC_RELAXED);
}

static void start_timer(void)
{
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 1000}, {0, 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    bool signals = argc > 3 && strcmp(argv[3], "signals") == 0;
    if (argc > 4)
        count = atoi(argv[4]);
    pthread_t keepers[WORKERS_MAX];
    mask_timer(SIG_BLOCK); /* the workers' threads alone take it */
    for (int i = 0; i < count; i++) {
        workers[i].number = i;
        workers[i].random = (seed + (uint64_t)i + 1) * 0x9e3779b97f4a7c15u | 1;
        pthread_mutex_init(&workers[i].lock, NULL);
        REQUIRE(&workers[i], pthread_create(&keepers[i], NULL, keep_alive, &workers[i]) == 0);
    }
    if (signals)
        start_timer();
    for (struct timespec left = {(time_t)seconds, 0}; nanosleep(&left, &left) != 0;)
        continue;
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    struct worker sum = {0};
    for (int i = 0; i < count; i++) {
        pthread_join(keepers[i], NULL);
        look_at_all(&workers[i]);
        sum.operations += workers[i].operations;
        sum.survivors += workers[i].survivors;
        sum.mailed += workers[i].mailed;
        sum.forks += workers[i].forks;
        sum.lives += workers[i].lives;
        sum.jumps += workers[i].jumps;
    }
    printf(
        "%llu operations, %llu survivors, %llu by mail, %llu forks, %llu lives, %llu jumps, %llu "
        "signals\n",
        (unsigned long long)sum.operations, (unsigned long long)sum.survivors,
        (unsigned long long)sum.mailed, (unsigned long long)sum.forks,
        (unsigned long long)sum.lives, (unsigned long long)sum.jumps, (unsigned long long)handled);
    return EXIT_SUCCESS;
}

/*
 * Signal handlers that use the shim while they interrupt it.
 *
 * "every instruction": each operation of the shim is interrupted at one instruction after the other
 * (x86-64), by handlers that draw, free, resize, pause, begin and end. "timer": a
 * signal some 20,000 times a second during random operations, for machines and builds where the
 * first cannot run, and for combinations that it does not have.
 *
 * Checked: no block overlaps another, contents stay, zeroed memory is zero, and after the last
 * end the thread's state is that of a thread outside scopes.
 */
#include "harness.h"
#include "stepping.h"

#include <sys/time.h>
#include <time.h>

enum { CAPACITY = 32 * 1024, LIMIT = 512 * 1024 };

static void start_once(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    routing_start(CAPACITY, LIMIT, 16);
    use_cells();
}

static void free_if_foreign(struct watched *watched)
{
    if (watched->block && !block_is_ours(watched->block))
        let_go(watched);
}

/* ---- what the handler does ------------------------------------------------------------------- */

/* Blocks that the handler has drawn and keeps, and one drawn for it to free or resize. */
static struct watched drawn[2];
static struct watched handlers;

static void draw_and_keep(void)
{
    watch(&drawn[0], t_malloc(40), 40);
    watch(&drawn[1], t_memalign(64, 200), 200);
}

static void draw_and_free(void)
{
    struct watched first, second;
    watch(&first, t_malloc(3000), 3000);
    watch(&second, t_malloc(100), 100);
    let_go(&second);
    let_go(&first);
}

static void draw_zeroed(void)
{
    void *block = t_calloc(1, 500);
    require(holds_only(block, 500, 0));
    watch(&drawn[0], block, 500);
}

/* Where the arena is full and has gaps, in one of them. */
static void draw_into_a_gap(void)
{
    watch(&drawn[0], t_malloc(400), 400);
}

static void free_one(void)
{
    let_go(&handlers);
}

/* The newest block of all, unless it is the operation's own. */
static struct watched newest;
static bool newest_is_in_use;

static void free_newest(void)
{
    if (newest.block && !newest_is_in_use)
        let_go(&newest);
}

static void grow_one(void)
{
    look_at(&handlers);
    unsigned char *grown = t_realloc(handlers.block, 600);
    require(holds_only(grown, handlers.size, handlers.byte));
    watch(&handlers, grown, 600);
}

static void shrink_one(void)
{
    look_at(&handlers);
    unsigned char *shrunk = t_realloc(handlers.block, 10);
    require(holds_only(shrunk, 10, handlers.byte));
    watch(&handlers, shrunk, 10);
}

static void pause_and_resume(void)
{
    arena_scope_pause();
    struct watched outside;
    watch(&outside, t_malloc(40), 40);
    let_go(&outside);
    arena_scope_resume();
}

static void run_a_scope(void)
{
    arena_scope_token outer = arena_scope_begin(SITE("handler"));
    struct watched first, second, third;
    watch(&first, t_malloc(1000), 1000);
    arena_scope_token inner = arena_scope_begin(SITE("handler inside"));
    watch(&second, t_calloc(1, 2000), 2000);
    look_at(&first);
    arena_scope_end(inner);
    watch(&third, t_malloc(50), 50);
    look_at(&first);
    arena_scope_end(outer);
    /* Where the handler interrupted the shim, they may be blocks of the next allocator. */
    free_if_foreign(&first);
    free_if_foreign(&second);
    free_if_foreign(&third);
}

static void overflow_in_a_scope(void)
{
    struct watched large;
    arena_scope_token token = arena_scope_begin(SITE("handler large"));
    watch(&large, t_malloc(CAPACITY), CAPACITY);
    arena_scope_end(token);
    free_if_foreign(&large);
}

static void run_an_empty_scope(void)
{
    arena_scope_end(arena_scope_begin(SITE("handler empty")));
}

UNUSED static void (*const disturbances[])(void) = {
    draw_and_keep,      draw_and_free,  draw_zeroed,      free_one,    free_newest,
    grow_one,           shrink_one,     pause_and_resume, run_a_scope, overflow_in_a_scope,
    run_an_empty_scope, draw_into_a_gap};

/* ---- what is interrupted --------------------------------------------------------------------- */

/* The interrupted code's blocks: drawn before, in this order, and by the operation. */
static struct watched older, result; /* and `newest` */
static arena_scope_token outer, inner, opened;

static void do_malloc(void)
{
    result.block = t_malloc(100);
}

static void do_calloc(void)
{
    result.block = t_calloc(1, 3000);
}

static void do_memalign(void)
{
    result.block = t_memalign(128, 100);
}

static void do_overflow(void)
{
    result.block = t_malloc(CAPACITY);
}

static void do_zeroed_overflow(void)
{
    result.block = t_calloc(1, CAPACITY);
}

static void do_free_newest(void)
{
    t_free(newest.block);
}

static void do_free_older(void)
{
    t_free(older.block);
}

static void do_grow_newest(void)
{
    newest.block = t_realloc(newest.block, 2000);
}

static void do_grow_newest_far(void)
{
    newest.block = t_realloc(newest.block, CAPACITY + 5000);
}

static void do_shrink_newest(void)
{
    newest.block = t_realloc(newest.block, 20);
}

static void do_grow_older(void)
{
    older.block = t_realloc(older.block, 2000);
}

/* Drawn last: in a gap, or at the top where there are gaps below. */
static struct watched in_gap;

static void do_malloc_small(void)
{
    result.block = t_malloc(8);
}

static void do_memalign_small(void)
{
    result.block = t_memalign(32, 8);
}

static void do_resize_small(void)
{
    in_gap.block = t_realloc(in_gap.block, 100);
}

static void do_malloc_larger(void)
{
    result.block = t_malloc(700); /* than any gap */
}

static void do_zeroed_larger(void)
{
    result.block = t_calloc(1, 700);
}

static void do_free_in_gap(void)
{
    t_free(in_gap.block);
}

static void do_grow_in_gap(void)
{
    in_gap.block = t_realloc(in_gap.block, 300);
}

static void do_pause(void)
{
    arena_scope_pause();
}

static void do_resume(void)
{
    arena_scope_resume();
}

static void do_pause_and_resume(void)
{
    arena_scope_pause();
    arena_scope_resume();
}

static void do_begin(void)
{
    opened = arena_scope_begin(SITE("stepped"));
}

static void do_end_inner(void)
{
    arena_scope_end(inner);
}

static void do_end_outer(void)
{
    arena_scope_end(outer);
}

static void do_keep(void)
{
    result.block = arena_scope_keep(older.block);
}

enum {
    OUTSIDE = 1,      /* no scope is open when it runs */
    ENDS = 2,         /* blocks of the inner scope are gone after it */
    ENDS_ALL = 4,     /* and those of the outer one */
    DROPS_NEWEST = 8, /* these blocks are gone */
    DROPS_OLDER = 16,
    ZEROED = 32,       /* the result is */
    PAUSED = 64,       /* runs in a pause */
    LARGE = 128,       /* the arena has grown past its capacity */
    NO_INNER = 256,    /* in the outer scope alone */
    USES_NEWEST = 512, /* which is no longer the handler's to free */
    COUNTS = 1024,     /* the bytes of its scopes, whenever a handler has a scope of its own */
    GAPS = 2048,       /* the arena is full, and has gaps that nobody has looked for yet */
    IN_GAP = 4096,     /* the cursor is in one */
};

UNUSED static const struct operation {
    const char *name;
    void (*run)(void);
    size_t size; /* of the result */
    int flags;
} operations[] = {
    {"malloc", do_malloc, 100, COUNTS},
    {"calloc", do_calloc, 3000, ZEROED | COUNTS},
    {"memalign", do_memalign, 100, COUNTS},
    {"malloc past the capacity", do_overflow, CAPACITY, 0},
    {"calloc past the capacity", do_zeroed_overflow, CAPACITY, ZEROED},
    {"free of the newest", do_free_newest, 0, DROPS_NEWEST | USES_NEWEST},
    {"free of an older block", do_free_older, 0, DROPS_OLDER},
    {"realloc: growing newest", do_grow_newest, 0, USES_NEWEST | COUNTS},
    {"realloc: past the capacity", do_grow_newest_far, 0, USES_NEWEST},
    {"realloc: shrinking newest", do_shrink_newest, 0, USES_NEWEST | COUNTS},
    {"realloc: moving", do_grow_older, 0, COUNTS},
    {"realloc in a pause", do_grow_newest, 0, PAUSED | USES_NEWEST},
    {"pause", do_pause, 0, 0},
    {"resume", do_resume, 0, PAUSED},
    {"keep", do_keep, 100, DROPS_OLDER},
    {"begin outside", do_begin, 0, OUTSIDE},
    {"begin inside", do_begin, 0, 0},
    {"begin in a pause", do_begin, 0, PAUSED},
    {"end of an inner scope", do_end_inner, 0, ENDS},
    {"end of the outermost scope", do_end_outer, 0, ENDS_ALL | NO_INNER},
    {"end that trims", do_end_outer, 0, ENDS_ALL | NO_INNER | LARGE},
    {"end of two scopes", do_end_outer, 0, ENDS_ALL},
    {"malloc before a sweep", do_malloc_small, 8, GAPS | NO_INNER},
    {"memalign before a sweep", do_memalign_small, 8, GAPS | NO_INNER},
    {"free before a sweep", do_free_in_gap, 0, GAPS | NO_INNER},
    {"free of an older block before a sweep", do_free_older, 0, DROPS_OLDER | GAPS | NO_INNER},
    {"realloc before a sweep", do_resize_small, 0, GAPS | NO_INNER},
    {"begin before a sweep", do_begin, 0, GAPS | NO_INNER},
    {"end before a sweep", do_end_outer, 0, ENDS_ALL | GAPS | NO_INNER},
    {"pause before a sweep", do_pause_and_resume, 0, GAPS | NO_INNER},
    {"resume before a sweep", do_resume, 0, PAUSED | GAPS | NO_INNER},
    {"malloc that sweeps", do_malloc, 100, GAPS | NO_INNER},
    {"calloc that sweeps in vain", do_zeroed_larger, 700, GAPS | NO_INNER | ZEROED},
    {"malloc in a gap", do_malloc, 100, IN_GAP | NO_INNER},
    {"memalign in a gap", do_memalign, 100, IN_GAP | NO_INNER},
    {"malloc that leaves a gap", do_malloc_larger, 700, IN_GAP | NO_INNER},
    {"free in a gap", do_free_in_gap, 0, IN_GAP | NO_INNER},
    {"free of an older block in a gap", do_free_older, 0, DROPS_OLDER | IN_GAP | NO_INNER},
    {"realloc in a gap", do_grow_in_gap, 0, IN_GAP | NO_INNER},
    {"begin in a gap", do_begin, 0, IN_GAP | NO_INNER},
    {"end in a gap", do_end_outer, 0, ENDS_ALL | IN_GAP | NO_INNER},
};

/* ---- every instruction ----------------------------------------------------------------------- */

#if CAN_STEP

/* Memory as at thread start, so that zeroed memory is not zero by luck alone. */
static void renew_memory(void)
{
    struct thread *thread = hot.thread;
    require(region_discard(thread->memory, thread->committed));
    thread->touched = thread->base;
}

/* What lies between the gaps. */
static struct watched between[64];

static void make_gaps(bool enter)
{
    void *gaps[COUNT(between)];
    size_t count = 0;
    while (hot.cursor + 1200 < hot.thread->capacity_end) {
        require(count < COUNT(between));
        gaps[count] = t_malloc(500);
        watch(&between[count++], t_malloc(500), 500);
    }
    while (hot.cursor + 220 < hot.thread->capacity_end)
        t_malloc(90);
    while (count > 0)
        t_free(gaps[--count]);
    if (!enter) {
        while (hot.cursor + 112 < hot.thread->capacity_end)
            t_malloc(8);
        watch(&in_gap, t_malloc(40), 40); /* and some 60 bytes are left */
        return;
    }
    watch(&in_gap, t_malloc(110), 110);
    require(hot.thread->gap_top != 0);
}

static void prepare(const struct operation *operation)
{
    memset(between, 0, sizeof between);
    in_gap.block = NULL;
    static const struct watched nothing;
    drawn[0] = drawn[1] = older = newest = result = handlers = nothing;
    opened.id = 0;
    newest_is_in_use = operation->flags & USES_NEWEST;
    renew_memory();
    if (operation->flags & OUTSIDE) {
        watch(&handlers, t_malloc(100), 100);
        return;
    }
    outer = arena_scope_begin(SITE("outer"));
    if (!(operation->flags & NO_INNER)) {
        t_malloc(24);
        inner = arena_scope_begin(SITE("inner"));
    }
    watch(&older, t_malloc(100), 100);
    watch(&handlers, t_malloc(100), 100);
    watch(&newest, t_malloc(100), 100);
    if (operation->flags & LARGE)
        t_malloc(CAPACITY);
    if (operation->flags & (GAPS | IN_GAP))
        make_gaps(operation->flags & IN_GAP);
    if (operation->flags & PAUSED)
        arena_scope_pause();
}

/* Sees to blocks that the operation has moved, made or dropped. */
static void settle_blocks(const struct operation *operation)
{
    if (operation->flags & (DROPS_NEWEST | ENDS | ENDS_ALL))
        newest.block = NULL;
    if (operation->flags & (DROPS_OLDER | ENDS | ENDS_ALL))
        older.block = NULL;
    if (operation->run == do_free_in_gap || operation->flags & ENDS_ALL)
        in_gap.block = NULL;
    if (operation->flags & ENDS_ALL)
        memset(between, 0, sizeof between);
    if (operation->run == do_shrink_newest)
        newest.size = 20;
    if (operation->run == do_keep)
        require(!block_is_ours(result.block));
    if (operation->flags & ZEROED)
        require(holds_only(result.block, operation->size, 0));
    /* The handler's blocks were drawn in the scope that has ended, or outside the arena. */
    struct watched *of_handler[] = {&handlers, &drawn[0], &drawn[1]};
    for (size_t i = 0; i < COUNT(of_handler); i++)
        if (operation->flags & (ENDS | ENDS_ALL) && block_is_ours(of_handler[i]->block))
            of_handler[i]->block = NULL;
}

static void look_at_all(void)
{
    look_at(&older);
    look_at(&newest);
    look_at(&handlers);
    look_at(&drawn[0]);
    look_at(&drawn[1]);
    look_at(&result);
    look_at(&in_gap);
    for (size_t i = 0; i < COUNT(between); i++)
        look_at(&between[i]);
}

/* Draws on, with what lies in the scope that has been opened and ended gone. */
static void end_opened(void)
{
    uintptr_t start = hot.start;
    t_malloc(300);
    for (size_t i = 0; i < COUNT(drawn); i++)
        if (block_is_ours(drawn[i].block) && (uintptr_t)drawn[i].block > start)
            drawn[i].block = NULL;
    if (block_is_ours(handlers.block) && (uintptr_t)handlers.block > start)
        handlers.block = NULL;
    arena_scope_end(opened);
    for (int i = 0; i < 60 && arena_scope_active(); i++) {
        unsigned char *block = t_calloc(1, 300);
        require(holds_only(block, 300, 0));
        memset(block, 0xee, 300);
    }
    look_at_all();
}

/* Draws on after the operation, and ends what is open. */
static void conclude(const struct operation *operation)
{
    settle_blocks(operation);
    look_at_all();
    if (operation->run == do_begin && !(operation->flags & OUTSIDE))
        end_opened();
    if (operation->size > 0)
        watch(&result, result.block, operation->size);
    require(!hot.thread->busy);
    if (arena_scope_active())
        require(block_is_ours(t_malloc(8))); /* nobody has left the gate closed */
    if (hot.cursor) {
        struct watched next[3];
        for (size_t i = 0; i < COUNT(next); i++) {
            unsigned char *block = t_calloc(1, 200 + 2000 * i);
            require(holds_only(block, 200 + 2000 * i, 0));
            watch(&next[i], block, 200 + 2000 * i);
        }
        look_at_all();
        for (size_t i = 0; i < COUNT(next); i++) {
            look_at(&next[i]);
            free_if_foreign(&next[i]);
        }
    }
    struct watched *all[] = {&older, &newest, &handlers, &drawn[0], &drawn[1], &result, &in_gap};
    for (size_t i = 0; i < COUNT(all); i++)
        free_if_foreign(all[i]);
    if (operation->flags & OUTSIDE)
        arena_scope_end(opened);
    else if (!(operation->flags & ENDS_ALL))
        arena_scope_end(outer);
    require(hot.cursor == 0 && hot.limit == 0 && hot.thread->depth == 0 && !hot.thread->busy);
    require(hot.thread->touched <= hot.thread->nominal_end && hot.thread->gap_top == 0);
    require(cells_taken() == 0);

    arena_scope_token token = begin("after");
    unsigned char *block = t_calloc(1, CAPACITY - 2048);
    require(block_is_ours(block) && holds_only(block, CAPACITY - 2048, 0));
    arena_scope_end(token);
    require(misuse_count() == 0);
}

/* Asked for in the operation's scopes, which no handler draws in by run_a_scope. */
static uint64_t bytes_counted(void)
{
    return site_named("outer").bytes + site_named("inner").bytes;
}

static void step_through_operation(void)
{
    const struct operation *operation = &operations[atoi(fresh_argument)];
    running_name = operation->name;
    start_once();
    arena_scope_end(begin("first"));
    stepping_start();
    uint64_t before = bytes_counted();
    prepare(operation);
    find_points(operation->run);
    conclude(operation);
    uint64_t bytes = bytes_counted() - before;
    for (disturbing = 0; disturbing < COUNT(disturbances); disturbing++) {
        for (at_point = disturbing % STRIDE; at_point < point_count; at_point += STRIDE) {
            before = bytes_counted();
            prepare(operation);
            run_interrupted(operation->run, disturbances[disturbing], &points[at_point]);
            conclude(operation);
            /* Sanitizers look at a sum before it is stored. */
            if (!SANITIZED && operation->flags & COUNTS && disturbances[disturbing] == run_a_scope)
                require(bytes_counted() - before == bytes);
        }
    }
}

START_TEST(every_instruction)
{
    ck_assert_msg(run_for_operation("step_through_operation", _i), "%s", operations[_i].name);
}
END_TEST

static void open_outer(void)
{
    outer = begin("outer");
}

static void nest(void)
{
    arena_scope_end(begin("inner"));
}

static uint64_t close_outer(void)
{
    arena_scope_end(outer);
    return site_named("outer").live_at_end | site_named("inner").live_at_end;
}

static void step_through_counts(void)
{
    running_name = "counts";
    start_once();
    arena_scope_end(begin("inner"));
    stepping_start();
    step_through_counts_of(open_outer, nest, close_outer);
}

START_TEST(counts_at_every_instruction)
{
    ck_assert(run_for_operation("step_through_counts", 0));
}
END_TEST

#endif

/* ---- timer ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t ticks;

/* Draws nothing that it leaves behind: the interrupted code may be at the end of its scope. */
static void on_tick(int number)
{
    int saved_errno = errno;
    (void)number;
    switch (++ticks % 4) {
    case 0:
        draw_and_free();
        break;
    case 1:
        run_a_scope();
        break;
    case 2:
        pause_and_resume();
        break;
    default:
        overflow_in_a_scope();
    }
    errno = saved_errno;
}

static void start_timer(timer_t *timer)
{
    struct sigaction action = {.sa_handler = on_tick};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec every = {{0, 50000}, {0, 50000}};
    sigemptyset(&action.sa_mask);
    require(sigaction(SIGALRM, &action, NULL) == 0);
    require(timer_create(CLOCK_MONOTONIC, &event, timer) == 0);
    require(timer_settime(*timer, 0, &every, NULL) == 0);
}

/* A scope with a few blocks that are resized and freed, and a scope inside. */
static void work_in_scopes(unsigned round)
{
    struct watched blocks[8];
    arena_scope_token first = begin("work");
    for (size_t i = 0; i < COUNT(blocks); i++) {
        size_t size = 1 + (round * 31 + i * 97) % 700;
        void *block = i % 2 ? t_malloc(size) : t_calloc(1, size);
        require(i % 2 || holds_only(block, size, 0));
        watch(&blocks[i], block, size);
    }
    arena_scope_token second = begin("work inside");
    void *block = t_calloc(1, 1500);
    require(holds_only(block, 1500, 0));
    memset(block, 0xff, 1500);
    t_free(t_malloc(round % 5000));
    arena_scope_end(second);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        look_at(&blocks[i]);
        if (i % 3 == round % 3)
            let_go(&blocks[i]);
        else if (i % 3 == (round + 1) % 3)
            watch(&blocks[i], t_realloc(blocks[i].block, 900), 900);
    }
    for (size_t i = 0; i < COUNT(blocks); i++) {
        look_at(&blocks[i]);
        free_if_foreign(&blocks[i]);
    }
    arena_scope_end(first);
    require(hot.cursor == 0 && hot.limit == 0 && hot.thread->depth == 0);
}

static void work_under_a_timer(void)
{
    struct timespec start, now;
    timer_t timer;
    unsigned rounds = 0;
    start_once();
    arena_scope_end(begin("first"));
    start_timer(&timer);
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 100; i++)
            work_in_scopes(rounds++);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - start.tv_sec < 2);
    timer_delete(timer);
    require(ticks > 100 && rounds >= 100);
    require(misuse_count() == 0 && cells_taken() == 0);
}

START_TEST(a_timer)
{
    ck_assert_fresh("work_under_a_timer");
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *signal_suite(void)
{
    Suite *suite = suite_create("signal");
    TCase *tcase = tcase_create("signal");
    tcase_set_timeout(tcase, 120);
#if CAN_STEP
    tcase_add_test(tcase, counts_at_every_instruction);
    tcase_add_loop_test(tcase, every_instruction, 0, COUNT(operations));
#else
    leave_out_steps();
#endif
    tcase_add_test(tcase, a_timer);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
#if CAN_STEP
        {"step_through_operation", step_through_operation},
        {"step_through_counts", step_through_counts},
#endif
        {"work_under_a_timer", work_under_a_timer},
        {NULL, NULL},
    };
    return run_suite(signal_suite, cases, argc, argv);
}

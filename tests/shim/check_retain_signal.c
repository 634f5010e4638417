/*
 * Signal handlers that use the shim while they interrupt it in a scope that retains: each operation
 * is interrupted at one instruction after the other (x86-64), by handlers that draw, free, resize,
 * pause, begin and end scopes of either kind, or jump away. On all machines, the counts where a
 * handler comes at any instant.
 *
 * Checked: no block overlaps another, contents stay, zeroed memory is zero, the heap's headers,
 * lists and counts are sound, and after the last end nothing is alive.
 */
#include "heaps.h"
#include "stepping.h"

#include <setjmp.h>
#include <sys/time.h>

enum { CAPACITY = 1024 * 1024, LIMIT = 64 * 1024 * 1024 };
enum { SMALL = 100, MIDDLE = 700, WIDE = 5000, LARGE = 40000 };

static void start_once(void)
{
    setenv("ARENASHIM_END", "retain", 1);
    routing_start(CAPACITY, LIMIT, 16);
    fixed.config.capacity_is_set = false;
    use_cells();
}

static arena_scope_token outer;

/* ---- any instant ----------------------------------------------------------------------------- */

static volatile bool armed;
static volatile unsigned handled;

static void on_alarm(int number)
{
    (void)number;
    if (!armed)
        return;
    if (handled++ % 2) {
        static struct stats seen;
        t_free(t_malloc(SMALL));
        stats_collect(&seen, false);
    } else {
        arena_scope_token token = open_kind("alarm", true);
        t_free(t_malloc(SMALL));
        arena_scope_end(token);
    }
}

static void work(void)
{
    static const size_t sizes[] = {SMALL, MIDDLE, SMALL, WIDE, 20, LARGE};
    void *blocks[40];
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = t_malloc(sizes[i % COUNT(sizes)]);
    arena_scope_token token = open_kind("inner", true);
    for (size_t i = 0; i < COUNT(blocks); i += 2)
        t_free(blocks[i]);
    arena_scope_end(token);
    for (size_t i = 1; i < COUNT(blocks); i += 2) {
        t_free(blocks[i]);
        alive(); /* settles */
    }
}

/* What is counted is right, or known not to be and then made so by a sweep. */
static void count_under_alarms(void)
{
    struct itimerval often = {{0, 250}, {0, 250}};
    start_once();
    outer = open_kind("outer", true);
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < 4000) {
        armed = true;
        work();
        armed = false;
        check_heap();
        if (heap->unsure)
            retain_trim(hot.thread, 0);
        require(alive() == 0 && !heap->unsure);
    }
}

START_TEST(counts_are_right_whenever_a_handler_comes)
{
    if (SANITIZED || track_emulated()) {
        leave_out("counts under alarms", "too slow, or counted otherwise");
        return;
    }
    setenv("QEMU_ONE_INSN_PER_TB", "1", 1); /* else QEMU lets none in between branches */
    ck_assert_fresh("count_under_alarms");
}
END_TEST

#if CAN_STEP

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The interrupted code's, the handler's to free or resize, and what the handler draws. */
static struct watched small, middle, wide, large, aligned, result;
static struct watched his_small, his_wide, his_large, drawn[3], survivor;
static struct watched *const all[] = {&small,    &middle,    &wide,     &large,     &aligned,
                                      &result,   &his_small, &his_wide, &his_large, &drawn[0],
                                      &drawn[1], &drawn[2],  &survivor};
static arena_scope_token inner, opened;

static void draw(struct watched *watched, size_t size)
{
    watch(watched, t_malloc(size), size);
}

static void look_at_all(void)
{
    for (size_t i = 0; i < COUNT(all); i++)
        look_at(all[i]);
}

/* So many free blocks in the list of that size. */
static void fill_list(size_t count, size_t size)
{
    void *blocks[64];
    for (size_t i = 0; i < count; i++)
        blocks[i] = t_malloc(size);
    for (size_t i = 0; i < count; i++)
        t_free(blocks[i]);
}

static void use_up_list(size_t size)
{
    while (*retain_list(heap, retain_total(size)) != 0)
        t_malloc(size);
}

/* ---- what the handler does ------------------------------------------------------------------- */

static void draw_and_keep(void)
{
    draw(&drawn[0], 40);
    draw(&drawn[1], SMALL);
    draw(&drawn[2], WIDE);
}

static void draw_and_free(void)
{
    struct watched blocks[4];
    draw(&blocks[0], SMALL);
    draw(&blocks[1], WIDE);
    draw(&blocks[2], LARGE);
    draw(&blocks[3], MIDDLE);
    for (size_t i = 0; i < COUNT(blocks); i++)
        let_go(&blocks[i]);
}

static void draw_zeroed(void)
{
    for (size_t size = 100; size <= LARGE; size += size * 6) {
        unsigned char *block = t_calloc(1, size);
        require(holds_only(block, size, 0));
        memset(block, 0xff, size);
        t_free(block);
    }
}

static void free_all_of_his(void)
{
    let_go(&his_small);
    let_go(&his_wide);
    let_go(&his_large);
}

static void resize(struct watched *watched, size_t size)
{
    look_at(watched);
    unsigned char *block = t_realloc(watched->block, size);
    require(holds_only(block, size < watched->size ? size : watched->size, watched->byte));
    watch(watched, block, size);
}

static void grow_his(void)
{
    resize(&his_small, MIDDLE);
    resize(&his_wide, WIDE * 2);
    resize(&his_large, LARGE + 10000);
}

static void shrink_his(void)
{
    resize(&his_large, WIDE);
    resize(&his_wide, SMALL);
    resize(&his_small, 10);
}

static void pause_and_resume(void)
{
    struct watched outside;
    arena_scope_pause();
    draw(&outside, SMALL);
    let_go(&his_small);
    let_go(&outside);
    arena_scope_resume();
}

static void run_a_scope(void)
{
    struct watched inside[2];
    arena_scope_token first = open_kind("handler", true);
    draw(&inside[0], SMALL);
    arena_scope_token second = open_kind("handler inside", true);
    draw(&inside[1], WIDE);
    draw(&survivor, SMALL);
    let_go(&inside[0]);
    arena_scope_end(second);
    let_go(&inside[1]);
    arena_scope_end(first);
}

static void run_a_scope_that_drops(void)
{
    struct watched inside;
    arena_scope_token token = open_kind("handler drops", false);
    draw(&inside, SMALL);
    let_go(&his_small);
    look_at(&inside);
    if (!block_is_ours(inside.block))
        let_go(&inside);
    arena_scope_end(token);
}

static sigjmp_buf place;

static void jump_away(void)
{
    siglongjmp(place, 1);
}

static void (*const disturbances[])(void) = {
    draw_and_keep, draw_and_free,    draw_zeroed, free_all_of_his,        grow_his,
    shrink_his,    pause_and_resume, run_a_scope, run_a_scope_that_drops, jump_away};

/* ---- what is interrupted --------------------------------------------------------------------- */

static void bump_first(void)
{
    use_up_list(SMALL);
    heap->exact[retain_total(SMALL) / RETAIN_UNIT].ahead = 0;
}

static void bump_several(void)
{
    use_up_list(SMALL);
    heap->exact[retain_total(SMALL) / RETAIN_UNIT].ahead = 7;
}

static void leave_no_room(void)
{
    use_up_list(SMALL);
    while (heap->end - heap->cursor >= 48)
        t_free(t_malloc(heap->end - heap->cursor > 2000 ? 1500 : 24)), t_malloc(24);
    use_up_list(SMALL);
}

static void list_wide(void)
{
    fill_list(2, WIDE);
}

static void use_up_wide(void)
{
    use_up_list(WIDE);
}

static void list_middle(void)
{
    fill_list(2, MIDDLE);
}

/* Other threads' frees wait, of all kinds. */
static void *free_it(void *block)
{
    t_free(block);
    return NULL;
}

static void free_elsewhere(void)
{
    void *blocks[] = {t_malloc(SMALL), t_malloc(WIDE), t_malloc(LARGE)};
    use_up_list(SMALL);
    for (size_t i = 0; i < COUNT(blocks); i++)
        in_thread(free_it, blocks[i]);
}

/* A sweep is due: half of the blocks of a heap that has grown are free. */
static void litter(void)
{
    enum { LITTER = 700 };
    void *blocks[LITTER];
    for (size_t i = 0; i < LITTER; i++)
        blocks[i] = t_malloc(MIDDLE + 100);
    for (size_t i = 0; i < LITTER; i += 2)
        t_free(blocks[i]);
    leave_no_room();
    heap->look_at = 0;
}

/* So that a sweep counts anew. */
static void litter_unsure(void)
{
    litter();
    heap->unsure = true;
}

static void pause_outer(void)
{
    arena_scope_pause();
}

static void do_malloc(void)
{
    result.block = t_malloc(SMALL);
}

static void do_malloc_wide(void)
{
    result.block = t_malloc(WIDE);
}

static void do_malloc_large(void)
{
    result.block = t_malloc(LARGE);
}

static void do_calloc(void)
{
    result.block = t_calloc(1, SMALL);
}

static void do_calloc_large(void)
{
    result.block = t_calloc(1, LARGE);
}

static void do_memalign(void)
{
    result.block = t_memalign(512, SMALL);
}

static void do_free_small(void)
{
    t_free(small.block);
}

static void do_free_wide(void)
{
    t_free(wide.block);
}

static void do_free_large(void)
{
    t_free(large.block);
}

static void do_free_aligned(void)
{
    t_free(aligned.block);
}

static void do_stay(void)
{
    small.block = t_realloc(small.block, SMALL - 10);
}

static void do_grow_small(void)
{
    small.block = t_realloc(small.block, MIDDLE);
}

static void do_shrink_middle(void)
{
    middle.block = t_realloc(middle.block, SMALL);
}

static void do_grow_wide(void)
{
    wide.block = t_realloc(wide.block, 2 * WIDE);
}

static void do_shrink_wide(void)
{
    wide.block = t_realloc(wide.block, SMALL);
}

static void do_grow_large(void)
{
    large.block = t_realloc(large.block, 3 * LARGE);
}

static void do_shrink_large(void)
{
    large.block = t_realloc(large.block, WIDE);
}

static void do_pause(void)
{
    arena_scope_pause();
}

static void do_resume(void)
{
    arena_scope_resume();
}

static void do_begin(void)
{
    opened = open_kind("stepped", true);
}

static void do_begin_dropping(void)
{
    opened = open_kind("stepped drops", false);
}

static void do_end_inner(void)
{
    arena_scope_end(inner);
}

static void do_end_outer(void)
{
    arena_scope_end(outer);
}

enum { ZEROED = 1, ENDS = 2, ENDS_ALL = 4, PAUSED = 8, OPENS = 16 };

static const struct operation {
    const char *name;
    void (*prepare)(void);
    void (*run)(void);
    struct watched *subject; /* no longer as it was; NULL: none */
    size_t size;             /* of the subject, or the result; 0: it is freed */
    int flags;
} operations[] = {
    {"malloc from a list", NULL, do_malloc, &result, SMALL, 0},
    {"malloc of the first of its class", bump_first, do_malloc, &result, SMALL, 0},
    {"malloc that makes several", bump_several, do_malloc, &result, SMALL, 0},
    {"malloc without room", leave_no_room, do_malloc, &result, SMALL, 0},
    {"malloc after frees elsewhere", free_elsewhere, do_malloc, &result, SMALL, 0},
    {"malloc that sweeps", litter, do_malloc, &result, SMALL, 0},
    {"malloc that sweeps what is unsure", litter_unsure, do_malloc, &result, SMALL, 0},
    {"malloc from a larger class's list", list_wide, do_malloc_wide, &result, WIDE, 0},
    {"malloc of a larger class", use_up_wide, do_malloc_wide, &result, WIDE, 0},
    {"malloc of pages", NULL, do_malloc_large, &result, LARGE, 0},
    {"malloc of pages that sweeps", litter, do_malloc_large, &result, LARGE, 0},
    {"calloc", NULL, do_calloc, &result, SMALL, ZEROED},
    {"calloc of pages", NULL, do_calloc_large, &result, LARGE, ZEROED},
    {"memalign", NULL, do_memalign, &result, SMALL, 0},
    {"malloc in a pause", pause_outer, do_malloc, &result, SMALL, PAUSED},
    {"free", NULL, do_free_small, &small, 0, 0},
    {"free of a larger block", NULL, do_free_wide, &wide, 0, 0},
    {"free of pages", NULL, do_free_large, &large, 0, 0},
    {"free of an aligned block", NULL, do_free_aligned, &aligned, 0, 0},
    {"free in a pause", pause_outer, do_free_small, &small, 0, PAUSED},
    {"realloc that stays", NULL, do_stay, &small, SMALL - 10, 0},
    {"realloc that grows", list_middle, do_grow_small, &small, MIDDLE, 0},
    {"realloc that splits", NULL, do_shrink_middle, &middle, SMALL, 0},
    {"realloc of a larger block", NULL, do_grow_wide, &wide, 2 * WIDE, 0},
    {"realloc that splits a larger block", NULL, do_shrink_wide, &wide, SMALL, 0},
    {"realloc of pages", NULL, do_grow_large, &large, 3 * LARGE, 0},
    {"realloc to fewer pages", NULL, do_shrink_large, &large, WIDE, 0},
    {"pause", NULL, do_pause, NULL, 0, PAUSED},
    {"resume", pause_outer, do_resume, NULL, 0, 0},
    {"begin", NULL, do_begin, NULL, 0, OPENS},
    {"begin of one that drops", NULL, do_begin_dropping, NULL, 0, OPENS},
    {"end of an inner scope", NULL, do_end_inner, NULL, 0, ENDS},
    {"end of the outermost scope", NULL, do_end_outer, NULL, 0, ENDS | ENDS_ALL},
    {"end of the outermost scope after frees elsewhere", free_elsewhere, do_end_outer, NULL, 0,
     ENDS | ENDS_ALL},
};

/* ---- every instruction ----------------------------------------------------------------------- */

static void prepare(const struct operation *operation)
{
    memset(&drawn, 0, sizeof drawn);
    survivor.block = result.block = NULL;
    outer = open_kind("outer", true);
    draw(&his_small, SMALL);
    draw(&middle, MIDDLE);
    inner = open_kind("inner", true);
    draw(&small, SMALL);
    draw(&his_wide, WIDE);
    draw(&wide, WIDE);
    draw(&large, LARGE);
    draw(&his_large, LARGE);
    watch(&aligned, t_memalign(256, SMALL), SMALL);
    fill_list(3, SMALL);
    fill_list(1, MIDDLE);
    fill_list(1, LARGE);
    if (operation->flags & ENDS_ALL)
        arena_scope_end(inner);
    if (operation->prepare)
        operation->prepare();
}

/* All paths serve, and what they serve is nobody else's. */
static void draw_on(void)
{
    struct watched next[12];
    for (size_t i = 0; i < COUNT(next); i++) {
        size_t size = i % 4 == 3 ? LARGE : i % 4 == 2 ? WIDE : i % 2 ? MIDDLE : SMALL;
        unsigned char *block = i < 6 ? t_calloc(1, size) : t_malloc(size);
        require(block_is_ours(block) && retain_holds(block));
        require(i >= 6 || holds_only(block, size, 0));
        watch(&next[i], block, size);
    }
    look_at_all();
    for (size_t i = 0; i < COUNT(next); i++)
        let_go(&next[i]);
}

static void end_all(void)
{
    while (hot.thread->depth > 0 && thread_innermost(hot.thread)->pauses > 0)
        arena_scope_resume();
    if (arena_scope_active())
        arena_scope_end(outer);
    require(hot.cursor == 0 && hot.small == 0 && hot.mark == 0 && hot.thread->depth == 0);
}

/* Heaps must be idle, whatever blocks were never freed: prepare makes some. */
static void start_anew(void)
{
    retain_trim(hot.thread, 0);
    pages_reset(&heap->pages);
    memset(heap->exact, 0, sizeof heap->exact);
    memset(heap->wide, 0, sizeof heap->wide);
    heap->cursor = heap->end = heap->gaps = heap->blocks = heap->alive = heap->shared_pages = 0;
    heap->look_at = heap->looked_alive = 0;
}

static void conclude(const struct operation *operation, bool jumped)
{
    struct watched *subject = operation->subject;
    if (jumped && subject) {
        subject->block = NULL; /* as it was, or as it was to become */
    } else if (subject) {
        bool freed = operation->size == 0;
        if (freed)
            subject->block = NULL;
        else if (subject == &result)
            require(!(operation->flags & ZEROED) || holds_only(result.block, operation->size, 0));
        else
            require(holds_only(subject->block,
                               operation->size < subject->size ? operation->size : subject->size,
                               subject->byte));
        if (!freed)
            watch(subject, subject->block, operation->size);
    }
    look_at_all();
    require(jumped || !hot.thread->busy);
    if (operation->flags & PAUSED && !jumped)
        arena_scope_resume();
    if (operation->flags & OPENS && !jumped)
        arena_scope_end(opened);
    if (jumped || operation->flags & ENDS_ALL) {
        end_all();
        outer = open_kind("after", true);
        if (jumped)
            retain_trim(hot.thread, 0);
    }
    /* Sanitizers look at a sum before it is stored: what a handler counts is lost. */
    draw_on();
    check_heap_of(jumped || SANITIZED);
    for (size_t i = 0; i < COUNT(all); i++)
        if (all[i]->block)
            let_go(all[i]);
    draw_on();
    check_heap_of(jumped || SANITIZED);
    end_all();
    require(misuse_count() == 0);
    require(jumped || cells_taken() == 0);
    memset(taken, 0, sizeof taken);
    start_anew();
}

static void step_through_operation(void)
{
    const struct operation *operation = &operations[atoi(fresh_argument)];
    running_name = operation->name;
    start_once();
    arena_scope_end(open_kind("first", true));
    stepping_start();
    repeats = 2;
    prepare(operation);
    find_points(operation->run);
    conclude(operation, false);
    for (disturbing = 0; disturbing < COUNT(disturbances); disturbing++)
        for (at_point = disturbing % STRIDE; at_point < point_count; at_point += STRIDE) {
            prepare(operation);
            bool jumped = sigsetjmp(place, 1) != 0;
            if (!jumped)
                run_interrupted(operation->run, disturbances[disturbing], &points[at_point]);
            conclude(operation, jumped);
        }
}

START_TEST(every_instruction)
{
    ck_assert_msg(run_for_operation("step_through_operation", _i), "%s", operations[_i].name);
}
END_TEST

static bool inner_retains;
static void open_outer(void)
{
    outer = open_kind("counts outside", true);
}

static void nest(void)
{
    arena_scope_end(open_kind("counts inside", inner_retains));
}

static uint64_t close_outer(void)
{
    arena_scope_end(outer);
    return site_named("counts outside").survivors | site_named("counts inside").live_at_end;
}

static void step_through_counts(void)
{
    running_name = "counts";
    inner_retains = *fresh_argument == '1';
    start_once();
    arena_scope_end(open_kind("counts inside", inner_retains));
    stepping_start();
    step_through_counts_of(open_outer, nest, close_outer);
}

START_TEST(counts_at_every_instruction)
{
    ck_assert(run_for_operation("step_through_counts", _i));
}
END_TEST

#endif

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *signal_suite(void)
{
    Suite *suite = suite_create("retain_signal");
    TCase *tcase = tcase_create("retain_signal");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, counts_are_right_whenever_a_handler_comes);
#if CAN_STEP
    tcase_add_loop_test(tcase, counts_at_every_instruction, 0, 2);
    tcase_add_loop_test(tcase, every_instruction, 0, COUNT(operations));
#else
    leave_out_steps();
#endif
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"count_under_alarms", count_under_alarms},
#if CAN_STEP
        {"step_through_operation", step_through_operation},
        {"step_through_counts", step_through_counts},
#endif
        {NULL, NULL},
    };
    return run_suite(signal_suite, cases, argc, argv);
}

/*
 * Unit tests of scopes: nesting, tokens and their misuse, depths past SCOPE_DEPTH_MAX, pauses,
 * keep, active, and the life of arenas across threads, thread exit and fork.
 */
#include "harness.h"

enum { CAPACITY = 64 * 1024, LIMIT = 1024 * 1024 };

static bool plain;

/* Fixture: routing, outside scopes. */
static void start_once(void)
{
    static bool started;
    if (!started)
        routing_start(CAPACITY, LIMIT, 16);
    started = true;
    plain = !track_active();
}

static unsigned char *filled(size_t size, int byte)
{
    unsigned char *block = t_malloc(size);
    require(block && block_is_ours(block));
    return memset(block, byte, size);
}

/* Ends a scope and returns what was said about it. */
static const char *said_by_ending(arena_scope_token token)
{
    static struct capture capture;
    capture_start(&capture);
    errno = ERANGE;
    arena_scope_end(token);
    const char *said = capture_end(&capture);
    require(errno == ERANGE);
    return said;
}

static uint64_t left_open(void)
{
    return stats_now()->left_open;
}

/* ---- nesting --------------------------------------------------------------------------------- */

START_TEST(a_scope_gives_everything_back)
{
    arena_scope_token token = begin("one");
    uintptr_t start = hot.cursor;
    filled(100, 1);
    filled(5000, 2);
    arena_scope_end(token);
    ck_assert_uint_eq(hot.cursor, 0);
    token = begin("one");
    if (plain)
        ck_assert_uint_eq(hot.cursor, start);
    arena_scope_end(token);
}
END_TEST

START_TEST(an_inner_scope_gives_back_only_its_own)
{
    arena_scope_token outer = begin("outer");
    unsigned char *kept = filled(100, 1);
    uintptr_t cursor = hot.cursor;
    uintptr_t start = hot.start;
    arena_scope_token inner = begin("inner");
    unsigned char *lost = filled(100, 2);
    arena_scope_end(inner);
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert_uint_eq(hot.start, start); /* what the fast path frees */
    unsigned char *next = filled(100, 3);
    if (plain)
        ck_assert_ptr_eq(next, lost);
    ck_assert(holds_only(kept, 100, 1));
    arena_scope_end(outer);
}
END_TEST

START_TEST(scopes_without_a_site)
{
    arena_scope_token token = arena_scope_begin(NULL);
    ck_assert_uint_ne(token.id, 0);
    filled(10, 1);
    arena_scope_end(token);
    ck_assert_uint_ge(site_named("").scopes, 1);
}
END_TEST

/* As guards of C++ on the stack do: the second must not take the first's place in the cache. */
START_TEST(sites_in_one_place_are_both_found_at_once)
{
    static const char labels[] = "a\0b";
    for (int i = 0; i < 2; i++) {
        arena_scope_site site = {labels + 2 * i, "guard", 1, 0};
        for (int again = 0; again < 2; again++)
            arena_scope_end(arena_scope_begin(&site));
    }
    int found = 0;
    for (size_t i = 0; i < SITE_CACHE_SIZE; i++) {
        const struct site_cache_entry *entry = &hot.thread->site_cache[i];
        found += entry->stats && (entry->label == labels || entry->label == labels + 2);
    }
    ck_assert_int_eq(found, 2);
    ck_assert_uint_eq(site_named("a").scopes, 2);
    ck_assert_uint_eq(site_named("b").scopes, 2);
}
END_TEST

START_TEST(the_end_of_an_outer_scope_closes_the_inner_ones)
{
    uint64_t before = left_open();
    arena_scope_token outermost = begin("outermost");
    arena_scope_token outer = begin("outer");
    filled(10, 1);
    begin("inner");
    filled(10, 2);
    begin("innermost");
    uint64_t depth = hot.thread->depth;
    arena_scope_end(outer);
    ck_assert_uint_eq(hot.thread->depth, depth - 3);
    ck_assert_uint_eq(left_open(), before + 2);
    ck_assert(arena_scope_active());
    arena_scope_end(outermost);
    ck_assert_uint_eq(left_open(), before + 2);
}
END_TEST

START_TEST(ending_no_scope_is_nothing)
{
    uint64_t misuses = misuse_count();
    arena_scope_token none = {0};
    arena_scope_token token = begin("one");
    arena_scope_end(none);
    ck_assert(arena_scope_active());
    arena_scope_end(token);
    arena_scope_end(none);
    ck_assert_uint_eq(misuse_count(), misuses);
}
END_TEST

START_TEST(tokens_are_unique)
{
    arena_scope_token first = begin("one");
    arena_scope_end(first);
    arena_scope_token second = begin("one");
    arena_scope_end(second);
    ck_assert_uint_ne(first.id, second.id);
}
END_TEST

/* ---- misuse ---------------------------------------------------------------------------------- */

#define IGNORED "; ignored (further ones are only counted)\n"

static void end_twice(void)
{
    start_once();
    arena_scope_token outer = begin("outer");
    arena_scope_token inner = begin("inner");
    arena_scope_end(inner);
    filled(10, 1);
    uintptr_t cursor = hot.cursor;
    require(strcmp(said_by_ending(inner),
                   "arenashim: arena_scope_end of a scope that has ended already" IGNORED) == 0);
    require(strcmp(said_by_ending(inner), "") == 0);
    require(misuse_count() == 2 && hot.cursor == cursor && hot.thread->depth == 1);
    arena_scope_token again = begin("again"); /* at the same depth as `inner` */
    said_by_ending(inner);
    require(misuse_count() == 3 && hot.thread->depth == 2);
    arena_scope_end(again);
    arena_scope_end(outer);
    require(misuse_count() == 3 && left_open() == 0);
}

static void end_twice_outside(void)
{
    start_once();
    arena_scope_token token = begin("one");
    arena_scope_end(token);
    require(strcmp(said_by_ending(token),
                   "arenashim: arena_scope_end of a scope that has ended already" IGNORED) == 0);
    require(misuse_count() == 1 && hot.cursor == 0);
}

static void end_a_forged_token(void)
{
    static const uint64_t forged[] = {1,           0xffff,      UINT64_MAX,  (uint64_t)1 << 63,
                                      0x100000002, 0x1000001ff, 0x10000ffff, 0x700000001};
    start_once();
    arena_scope_token token = begin("one"); /* 0x100000001 */
    for (size_t i = 0; i < COUNT(forged); i++) {
        said_by_ending((arena_scope_token){forged[i]});
        require(misuse_count() == i + 1);
        require(hot.thread->depth == 1 && arena_scope_active());
    }
    arena_scope_end(token);
    require(misuse_count() == COUNT(forged));
}

static void *end_token(void *token)
{
    arena_scope_end(*(arena_scope_token *)token);
    return NULL;
}

static void *end_token_in_a_scope(void *token)
{
    arena_scope_token own = begin("own");
    arena_scope_end(*(arena_scope_token *)token);
    require(hot.thread->depth == 1);
    arena_scope_end(own);
    return NULL;
}

static void end_in_another_thread(void)
{
    static struct capture capture;
    start_once();
    arena_scope_token token = begin("one");
    capture_start(&capture);
    in_thread(end_token, &token);
    in_thread(end_token_in_a_scope, &token);
    const char *said = capture_end(&capture);
    require(strcmp(said, "arenashim: arena_scope_end with a token of another thread" IGNORED) == 0);
    require(misuse_count() == 2 && arena_scope_active());
    arena_scope_end(token);
    require(misuse_count() == 2 && left_open() == 0);
}

static void *begin_and_leave(void *token)
{
    *(arena_scope_token *)token = begin("left");
    return NULL;
}

/* The slot of a thread that has gone has a new owner. */
static void end_in_the_slots_next_thread(void)
{
    arena_scope_token token;
    static struct capture capture;
    start_once();
    in_thread(begin_and_leave, &token);
    capture_start(&capture);
    in_thread(end_token_in_a_scope, &token);
    capture_end(&capture);
    require(misuse_count() == 1);
}

static void resume_without_pause(void)
{
    static struct capture capture;
    start_once();
    arena_scope_token token = begin("one");
    capture_start(&capture);
    arena_scope_resume();
    arena_scope_resume();
    require(strcmp(capture_end(&capture),
                   "arenashim: arena_scope_resume without arena_scope_pause" IGNORED) == 0);
    require(misuse_count() == 2 && arena_scope_active());
    require(block_is_ours(t_malloc(10)));
    arena_scope_end(token);
}

START_TEST(misuse_is_one_line_and_changes_nothing)
{
    ck_assert_fresh("end_twice");
    ck_assert_fresh("end_twice_outside");
    ck_assert_fresh("end_a_forged_token");
    ck_assert_fresh("end_in_another_thread");
    ck_assert_fresh("end_in_the_slots_next_thread");
    ck_assert_fresh("resume_without_pause");
}
END_TEST

/* ---- depth ----------------------------------------------------------------------------------- */

enum { DEEP = 600 };

/* Scopes too deep to be told apart are part of the innermost one that is. */
START_TEST(deeper_than_the_shim_can_tell_apart)
{
    static arena_scope_token tokens[DEEP];
    static unsigned char *blocks[DEEP];
    uint64_t misuses = misuse_count();
    uint64_t before = left_open();
    for (int i = 0; i < DEEP; i++) {
        tokens[i] = begin("deep");
        ck_assert_uint_ne(tokens[i].id, 0);
        blocks[i] = filled(24, i);
    }
    for (int i = DEEP - 1; i >= 0; i--) {
        ck_assert(holds_only(blocks[i], 24, (unsigned char)i));
        arena_scope_end(tokens[i]);
        ck_assert_int_eq(arena_scope_active(), i > 0);
    }
    ck_assert_uint_eq(hot.cursor, 0);
    ck_assert_uint_eq(misuse_count(), misuses);
    ck_assert_uint_eq(left_open(), before);
}
END_TEST

/* Begins DEEP scopes and ends number `ended` of them, then the first. */
static void leave_deep_scopes_open(int ended)
{
    static arena_scope_token tokens[DEEP];
    start_once();
    for (int i = 0; i < DEEP; i++)
        tokens[i] = begin("deep");
    arena_scope_end(tokens[ended]);
    require(left_open() == (uint64_t)(DEEP - 1 - ended));
    require(hot.thread->excess == 0);
    arena_scope_end(tokens[0]);
    require(left_open() == (uint64_t)(DEEP - 2));
    require(misuse_count() == 0 && hot.cursor == 0);
}

static void leave_deep_scopes_open_at_100(void)
{
    leave_deep_scopes_open(100);
}

static void leave_deep_scopes_open_at_the_last_told_apart(void)
{
    leave_deep_scopes_open(SCOPE_DEPTH_MAX - 1);
}

START_TEST(an_outer_end_closes_the_deepest_too)
{
    ck_assert_fresh("leave_deep_scopes_open_at_100");
}
END_TEST

START_TEST(the_end_of_the_last_scope_told_apart_closes_the_deeper_ones)
{
    ck_assert_fresh("leave_deep_scopes_open_at_the_last_told_apart");
}
END_TEST

static void exit_in_deep_scopes(void)
{
    static struct stats stats;
    start_once();
    for (int i = 0; i < DEEP; i++)
        begin("deep");
    stats_collect(&stats, true);
    require(stats.left_open == DEEP && site_named("deep").left_open == DEEP);
}

START_TEST(scopes_open_at_exit_are_counted)
{
    ck_assert_fresh("exit_in_deep_scopes");
}
END_TEST

/* ---- pause and resume ------------------------------------------------------------------------ */

static bool is_routing(void)
{
    void *block = t_malloc(24);
    bool ours = block_is_ours(block);
    t_free(block);
    return ours;
}

START_TEST(pauses_nest)
{
    arena_scope_token token = begin("pause");
    arena_scope_pause();
    arena_scope_pause();
    arena_scope_resume();
    ck_assert(!arena_scope_active() && !is_routing());
    arena_scope_resume();
    ck_assert(arena_scope_active() && is_routing());
    arena_scope_end(token);
}
END_TEST

START_TEST(a_scope_in_a_pause_routes_and_its_end_returns_to_the_pause)
{
    arena_scope_token outer = begin("outer");
    arena_scope_pause();
    arena_scope_token inner = begin("inner");
    ck_assert(arena_scope_active() && is_routing());
    arena_scope_end(inner);
    ck_assert(!arena_scope_active() && !is_routing());
    arena_scope_resume();
    ck_assert(arena_scope_active() && is_routing());
    arena_scope_end(outer);
}
END_TEST

START_TEST(an_end_forgets_the_pauses_of_its_scope)
{
    arena_scope_token outer = begin("outer");
    arena_scope_token inner = begin("inner");
    arena_scope_pause();
    arena_scope_pause();
    arena_scope_end(inner);
    ck_assert(arena_scope_active() && is_routing());
    arena_scope_end(outer);
    outer = begin("outer");
    ck_assert(arena_scope_active() && is_routing());
    arena_scope_pause();
    arena_scope_end(outer);
    ck_assert_uint_eq(hot.limit, 0);
}
END_TEST

START_TEST(pauses_outside_scopes_are_nothing)
{
    uint64_t misuses = misuse_count();
    arena_scope_pause();
    arena_scope_token token = begin("one");
    ck_assert(is_routing());
    arena_scope_end(token);
    arena_scope_resume();
    arena_scope_resume();
    ck_assert_uint_eq(misuse_count(), misuses);
}
END_TEST

START_TEST(blocks_of_the_scope_are_freed_in_a_pause)
{
    arena_scope_token token = begin("one");
    uint64_t freed = stats_now()->freed;
    filled(8, 1);
    void *older = filled(100, 1), *newest = filled(100, 1);
    arena_scope_pause();
    t_free(older);
    t_free(newest);
    arena_scope_resume();
    ck_assert_uint_eq(stats_now()->freed, freed + 2);
    ck_assert(is_routing());
    arena_scope_end(token);
}
END_TEST

START_TEST(active_tells_whether_calls_may_be_routed)
{
    ck_assert_int_eq(arena_scope_active(), 0);
    arena_scope_token token = begin("one");
    ck_assert_int_eq(arena_scope_active(), 1);
    arena_scope_pause();
    ck_assert_int_eq(arena_scope_active(), 0);
    arena_scope_resume();
    arena_scope_end(token);
    ck_assert_int_eq(arena_scope_active(), 0);
}
END_TEST

/* ---- keep ------------------------------------------------------------------------------------ */

START_TEST(a_kept_block_outlives_its_scope)
{
    arena_scope_token token = begin("keep");
    unsigned char *block = filled(1000, 7);
    size_t usable = t_usable(block);
    memset(block, 7, usable);
    filled(10, 1);
    uint64_t freed = stats_now()->freed;
    unsigned char *kept = arena_scope_keep(block);
    ck_assert(kept && !block_is_ours(kept) && is_aligned(kept, 16));
    ck_assert_uint_ge(t_usable(kept), usable);
    ck_assert_uint_eq(stats_now()->freed, freed + 1);
    arena_scope_end(token);
    ck_assert(holds_only(kept, usable, 7));
    t_free(kept);
}
END_TEST

START_TEST(keeping_the_newest_gives_its_place_back)
{
    arena_scope_token token = begin("keep");
    uintptr_t cursor = hot.cursor;
    void *kept = arena_scope_keep(filled(100, 1));
    if (plain)
        ck_assert_uint_eq(hot.cursor, cursor);
    arena_scope_end(token);
    t_free(kept);
}
END_TEST

START_TEST(other_blocks_are_kept_as_they_are)
{
    void *foreign = t_malloc(10);
    arena_scope_token token = begin("keep");
    ck_assert_ptr_eq(arena_scope_keep(foreign), foreign);
    ck_assert_ptr_null(arena_scope_keep(NULL));
    arena_scope_end(token);
    t_free(foreign);
}
END_TEST

static void *refuse(size_t size)
{
    (void)size;
    return NULL;
}

START_TEST(a_failed_keep_leaves_the_block)
{
    void *(*usual)(size_t) = fixed.next.malloc;
    arena_scope_token token = begin("keep");
    unsigned char *block = filled(100, 1);
    uintptr_t cursor = hot.cursor;
    fixed.next.malloc = refuse;
    errno = 0;
    void *kept = arena_scope_keep(block);
    fixed.next.malloc = usual;
    ck_assert_ptr_null(kept);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_eq(hot.cursor, cursor);
    ck_assert(holds_only(block, 100, 1));
    arena_scope_end(token);
}
END_TEST

static void *keep_it(void *block)
{
    return arena_scope_keep(block);
}

START_TEST(another_thread_may_keep_a_block)
{
    arena_scope_token token = begin("keep");
    unsigned char *block = filled(100, 5);
    unsigned char *kept = in_thread(keep_it, block);
    ck_assert(!block_is_ours(kept) && holds_only(kept, 100, 5));
    arena_scope_end(token);
    t_free(kept);
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

static void *slot_of_a_thread(void *leave_open)
{
    arena_scope_token token = begin("thread");
    unsigned char *block = t_calloc(1, 3000);
    require(block_is_ours(block) && holds_only(block, 3000, 0));
    memset(block, 0xff, 3000);
    void *slot = (void *)(intptr_t)hot.thread->slot;
    if (!leave_open)
        arena_scope_end(token);
    return slot;
}

START_TEST(threads_one_after_another_reuse_a_slot)
{
    uint64_t threads = stats_now()->threads;
    int seen = region_slots_seen();
    int count = track_active() || THREAD_SANITIZED ? 100 : 1100;
    void *slot = in_thread(slot_of_a_thread, NULL);
    for (int i = 1; i < count; i++)
        ck_assert_ptr_eq(in_thread(slot_of_a_thread, NULL), slot);
    ck_assert_int_le(region_slots_seen(), seen + 1);
    ck_assert_uint_eq(stats_now()->threads, threads + (uint64_t)count);
}
END_TEST

START_TEST(a_thread_that_leaves_scopes_open_gives_its_slot_back)
{
    uint64_t before = left_open();
    void *slot = in_thread(slot_of_a_thread, &plain);
    ck_assert_uint_eq(left_open(), before + 1);
    ck_assert_ptr_eq(in_thread(slot_of_a_thread, NULL), slot);
    ck_assert_uint_eq(left_open(), before + 1);
}
END_TEST

static void *fill_an_arena(void *memory)
{
    arena_scope_token token = begin("thread");
    *(uintptr_t *)memory = (uintptr_t)filled(LIMIT / 2, 1);
    arena_scope_end(token);
    return NULL;
}

START_TEST(thread_exit_gives_memory_back)
{
    static unsigned char resident[CAPACITY / 4096];
    uintptr_t memory;
    in_thread(fill_an_arena, &memory);
    memory = (memory + 4095) & ~(uintptr_t)4095;
    ck_assert_int_eq(mincore((void *)memory, CAPACITY / 2, resident), 0);
    for (int i = 0; i < CAPACITY / 2 / 4096; i++)
        ck_assert_int_eq(resident[i] & 1, 0);
    ck_assert(!is_resident(memory + LIMIT / 4));
}
END_TEST

enum { MANY = 12, SLOTS = 5 };
static pthread_barrier_t all_began;

static void *begin_together(void *begun)
{
    arena_scope_site site = {"many", NULL, 0, 0};
    arena_scope_token token = arena_scope_begin(&site);
    unsigned char *block = t_malloc(100);
    memset(block, 1, 100);
    require(block_is_ours(block) == (token.id != 0));
    __atomic_fetch_add((int *)begun, token.id != 0, __ATOMIC_RELAXED);
    pthread_barrier_wait(&all_began);
    t_free(block);
    arena_scope_end(token);
    return NULL;
}

static int begin_in_many_threads(void)
{
    pthread_t threads[MANY];
    int begun = 0;
    for (int i = 0; i < MANY; i++)
        require(pthread_create(&threads[i], NULL, begin_together, &begun) == 0);
    for (int i = 0; i < MANY; i++)
        pthread_join(threads[i], NULL);
    return begun;
}

/* Threads without a slot run on with the next allocator, and later ones get slots again. */
static void more_threads_than_slots(void)
{
    static struct capture capture;
    start_once();
    fixed.region.slots = SLOTS;
    pthread_barrier_init(&all_began, NULL, MANY);
    capture_start(&capture);
    int first = begin_in_many_threads();
    int second = begin_in_many_threads();
    const char *said = capture_end(&capture);
    require(strcmp(said, "arenashim: a thread gets no arena: all slots of the region are taken; "
                         "its calls, and those of further threads like it, go to the next "
                         "allocator\n") == 0);
    require(first == SLOTS && second == SLOTS);
    require(region_slots_seen() == SLOTS && misuse_count() == 0);
    require(stats_now()->threads == 2 * SLOTS);
}

START_TEST(threads_beyond_the_last_slot_do_without)
{
    ck_assert_fresh("more_threads_than_slots");
}
END_TEST

/* ---- thread exit ----------------------------------------------------------------------------- */

static pthread_key_t keys[3];
static int rounds;

/* A destructor that lives on for three rounds: the shim's own runs somewhere in between. */
static void use_scopes_at_exit(void *block)
{
    unsigned char *own = t_malloc(50);
    memset(own, 1, 50);
    arena_scope_token token = arena_scope_begin(NULL);
    unsigned char *inside = t_calloc(1, 100);
    require(holds_only(inside, 100, 0));
    memset(inside, 0xff, 100);
    inside = t_realloc(inside, 200);
    t_free(inside);
    arena_scope_pause();
    arena_scope_resume();
    t_free(block); /* drawn in a scope of the thread, which is over */
    arena_scope_end(token);
    t_free(own);
    if (++rounds < 3 * (int)COUNT(keys))
        for (size_t i = 0; i < COUNT(keys); i++)
            pthread_setspecific(keys[i], block);
}

static void *exit_with_keys(void *unused)
{
    begin("exiting");
    void *block = filled(100, 1);
    for (size_t i = 0; i < COUNT(keys); i++)
        pthread_setspecific(keys[i], block);
    return unused;
}

static void destroy_keys_around_the_shims(void)
{
    pthread_key_create(&keys[0], use_scopes_at_exit); /* destroyed before the shim's */
    start_once();
    for (size_t i = 1; i < COUNT(keys); i++)
        pthread_key_create(&keys[i], use_scopes_at_exit);
    for (int i = 0; i < 20; i++) {
        rounds = 0;
        in_thread(exit_with_keys, NULL);
        require(rounds >= 3);
    }
    require(region_slots_seen() == 1); /* no slot was lost */
    in_thread(slot_of_a_thread, NULL);
    require(region_slots_seen() == 1 && misuse_count() == 0);
}

START_TEST(key_destructors_may_use_scopes_and_blocks)
{
    /* ThreadSanitizer leaves a thread before its last destructors. */
    if (!THREAD_SANITIZED)
        ck_assert_fresh("destroy_keys_around_the_shims");
}
END_TEST

/* ---- fork ------------------------------------------------------------------------------------ */

static pthread_barrier_t forking;

static void *be_in_a_scope(void *unused)
{
    arena_scope_token token = begin("bystander");
    filled(20000, 1);
    begin("bystander inside");
    filled(300, 1);
    pthread_barrier_wait(&forking);
    pthread_barrier_wait(&forking);
    arena_scope_end(token);
    return unused;
}

/* Runs `body` in a fork child while another thread, the bystander, is in a scope. */
static void fork_beside(void *(*bystander)(void *), void (*body)(void))
{
    pthread_t thread;
    int status;
    pthread_barrier_init(&forking, NULL, 2);
    require(pthread_create(&thread, NULL, bystander, NULL) == 0);
    pthread_barrier_wait(&forking);
    pid_t child = fork();
    require(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    require(waitpid(child, &status, 0) == child);
    pthread_barrier_wait(&forking);
    pthread_join(thread, NULL);
    require(status == 0);
}

static unsigned char *before_fork;
static arena_scope_token forked_in;

static void go_on_in_the_child(void)
{
    require(arena_scope_active());
    require(holds_only(before_fork, 100, 1));
    unsigned char *block = filled(100, 2);
    require(block > before_fork);
    arena_scope_token inner = begin("child");
    filled(100, 3);
    arena_scope_end(inner);
    t_free(before_fork);
    arena_scope_end(forked_in);
    require(hot.cursor == 0 && misuse_count() == 0 && left_open() == 0);
}

static void fork_in_a_scope(void)
{
    start_once();
    forked_in = begin("parent");
    before_fork = filled(100, 1);
    fork_beside(be_in_a_scope, go_on_in_the_child);
    require(holds_only(before_fork, 100, 1));
    arena_scope_end(forked_in);
}

START_TEST(a_child_goes_on_in_its_parents_scope)
{
    ck_assert_fresh("fork_in_a_scope");
}
END_TEST

/* The slot of the thread that does not exist in the child is free again. */
static void start_threads_in_the_child(void)
{
    require(slot_of_a_thread(NULL) == NULL);
    for (int i = 0; i < 20; i++)
        require(in_thread(slot_of_a_thread, NULL) == (void *)1);
}

static void fork_outside_scopes(void)
{
    start_once();
    arena_scope_end(begin("main thread")); /* takes slot 0, the bystander slot 1 */
    fork_beside(be_in_a_scope, start_threads_in_the_child);
}

START_TEST(a_child_reuses_the_slots_of_absent_threads)
{
    if (!THREAD_SANITIZED) /* which starts no threads in a fork child */
        ck_assert_fresh("fork_outside_scopes");
}
END_TEST

/* Neither peaks nor spills of the bystander's unfinished scopes count in the child. */
static void *use_the_absent_threads_slot(void *unused)
{
    arena_scope_token token = begin("new owner");
    require(hot.thread->slot == 1);
    filled(100, 1);
    arena_scope_end(token);
    require(site_named("new owner").peak < 200);
    require(hot.thread->need < 200);
    return unused;
}

static void check_the_absent_threads_slot(void)
{
    in_thread(use_the_absent_threads_slot, NULL);
}

static void *spill_and_wait(void *unused)
{
    arena_scope_token token = begin("bystander");
    filled(20000, 1);
    static void *outside; /* found by a leak checker in the child, too */
    outside = t_malloc(CAPACITY);
    t_free(filled(20000, 1)); /* not settled yet */
    pthread_barrier_wait(&forking);
    pthread_barrier_wait(&forking);
    t_free(outside);
    arena_scope_end(token);
    return unused;
}

static void fork_beside_a_spilling_scope(void)
{
    start_once();
    fixed.config.overflow = OVERFLOW_FALLBACK;
    arena_scope_end(begin("main thread"));
    fork_beside(spill_and_wait, check_the_absent_threads_slot);
}

START_TEST(a_child_inherits_no_peak_of_absent_threads)
{
    if (!THREAD_SANITIZED) /* which starts no threads in a fork child */
        ck_assert_fresh("fork_beside_a_spilling_scope");
}
END_TEST

static void count_from_zero_in_the_child(void)
{
    const struct stats *stats = stats_now();
    require(stats_routed_calls(stats) == 0);
    require(stats->all_sites.bytes == 0 && stats->all_sites.overflows == 0);
    require(stats->freed == 0 && stats->misuses == 0 && stats->ignored_frees == 0);
    require(stats->threads == 1);
}

static void *free_in_thread(void *block)
{
    t_free(block);
    return NULL;
}

static void fork_with_statistics(void)
{
    static struct capture capture;
    start_once();
    forked_in = begin("parent");
    void *older = filled(100, 1);
    filled(100, 1);
    t_free(older);
    arena_scope_end(begin("inner"));
    filled(100, 1); /* not settled yet */
    t_free(filled(100, 1));
    capture_start(&capture);
    arena_scope_resume();
    capture_end(&capture);
    in_thread(free_in_thread, older);
    fork_beside(be_in_a_scope, count_from_zero_in_the_child);
}

START_TEST(a_childs_statistics_start_from_0)
{
    ck_assert_fresh("fork_with_statistics");
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static TCase *group(Suite *suite, const char *name)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, start_once, NULL);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static Suite *scope_suite(void)
{
    Suite *suite = suite_create("scope");
    TCase *nesting = group(suite, "nesting");
    tcase_add_test(nesting, a_scope_gives_everything_back);
    tcase_add_test(nesting, an_inner_scope_gives_back_only_its_own);
    tcase_add_test(nesting, scopes_without_a_site);
    tcase_add_test(nesting, sites_in_one_place_are_both_found_at_once);
    tcase_add_test(nesting, the_end_of_an_outer_scope_closes_the_inner_ones);
    tcase_add_test(nesting, ending_no_scope_is_nothing);
    tcase_add_test(nesting, tokens_are_unique);
    tcase_add_test(nesting, misuse_is_one_line_and_changes_nothing);
    tcase_add_test(nesting, deeper_than_the_shim_can_tell_apart);
    tcase_add_test(nesting, an_outer_end_closes_the_deepest_too);
    tcase_add_test(nesting, the_end_of_the_last_scope_told_apart_closes_the_deeper_ones);
    tcase_add_test(nesting, scopes_open_at_exit_are_counted);

    TCase *pausing = group(suite, "pause");
    tcase_add_test(pausing, pauses_nest);
    tcase_add_test(pausing, a_scope_in_a_pause_routes_and_its_end_returns_to_the_pause);
    tcase_add_test(pausing, an_end_forgets_the_pauses_of_its_scope);
    tcase_add_test(pausing, pauses_outside_scopes_are_nothing);
    tcase_add_test(pausing, blocks_of_the_scope_are_freed_in_a_pause);
    tcase_add_test(pausing, active_tells_whether_calls_may_be_routed);

    TCase *keeping = group(suite, "keep");
    tcase_add_test(keeping, a_kept_block_outlives_its_scope);
    tcase_add_test(keeping, keeping_the_newest_gives_its_place_back);
    tcase_add_test(keeping, other_blocks_are_kept_as_they_are);
    tcase_add_test(keeping, a_failed_keep_leaves_the_block);
    tcase_add_test(keeping, another_thread_may_keep_a_block);

    TCase *threads = group(suite, "threads");
    tcase_add_test(threads, threads_one_after_another_reuse_a_slot);
    tcase_add_test(threads, a_thread_that_leaves_scopes_open_gives_its_slot_back);
    tcase_add_test(threads, thread_exit_gives_memory_back);
    tcase_add_test(threads, threads_beyond_the_last_slot_do_without);
    tcase_add_test(threads, key_destructors_may_use_scopes_and_blocks);

    TCase *forks = group(suite, "fork");
    tcase_add_test(forks, a_child_goes_on_in_its_parents_scope);
    tcase_add_test(forks, a_child_reuses_the_slots_of_absent_threads);
    tcase_add_test(forks, a_child_inherits_no_peak_of_absent_threads);
    tcase_add_test(forks, a_childs_statistics_start_from_0);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"end_twice", end_twice},
        {"end_twice_outside", end_twice_outside},
        {"end_a_forged_token", end_a_forged_token},
        {"end_in_another_thread", end_in_another_thread},
        {"end_in_the_slots_next_thread", end_in_the_slots_next_thread},
        {"resume_without_pause", resume_without_pause},
        {"leave_deep_scopes_open_at_100", leave_deep_scopes_open_at_100},
        {"leave_deep_scopes_open_at_the_last_told_apart",
         leave_deep_scopes_open_at_the_last_told_apart},
        {"exit_in_deep_scopes", exit_in_deep_scopes},
        {"more_threads_than_slots", more_threads_than_slots},
        {"destroy_keys_around_the_shims", destroy_keys_around_the_shims},
        {"fork_in_a_scope", fork_in_a_scope},
        {"fork_outside_scopes", fork_outside_scopes},
        {"fork_beside_a_spilling_scope", fork_beside_a_spilling_scope},
        {"fork_with_statistics", fork_with_statistics},
        {NULL, NULL},
    };
    return run_suite(scope_suite, cases, argc, argv);
}

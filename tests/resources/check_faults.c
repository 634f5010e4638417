/*
 * Unit tests of what the shim and libarena do when the kernel refuses: the program is linked so
 * that calls of mmap, mprotect, madvise and a few more come to the functions below, which refuse
 * what a test says (strict overcommit, address space used up, locked memory), and pass on the rest.
 * A fault at every call of a whole program is tests/resources/faults.sh.
 */
#include "../shim/harness.h"

#include "engine/trim.h"

#include <arenashim/arena.h>
#include <sys/resource.h>

/* ---- the seam -------------------------------------------------------------------------------- */

/* What is refused. */
static struct {
    size_t largest; /* mmap of more */
    size_t budget;  /* what makes more than this writable, all calls together */
    bool place;     /* mmap at an address of the shim's choice */
    bool advice, discard, limits;
    bool move;               /* as older kernels do: with the target gone */
    int key, value, handler; /* the error that the function returns */
} refuse = {.largest = SIZE_MAX, .budget = SIZE_MAX};

/* What was asked for. */
static struct {
    size_t mappings[64];
    size_t mapping_count;
    size_t commits;
    size_t values;
} seen;

void *__real_mmap(void *start, size_t size, int protection, int flags, int file, off_t offset);
int __real_mprotect(void *start, size_t size, int protection);
int __real_madvise(void *start, size_t size, int advice);
int __real_getrlimit(__rlimit_resource_t resource, struct rlimit *result);
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

void *__wrap_mmap(void *start, size_t size, int protection, int flags, int file, off_t offset);
int __wrap_mprotect(void *start, size_t size, int protection);
int __wrap_madvise(void *start, size_t size, int advice);
int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *result);
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
void *__real_mremap(void *from, size_t size, size_t new_size, int flags, void *to);
void *__wrap_mremap(void *from, size_t size, size_t new_size, int flags, void *to);
void *__wrap_mremap(void *from, size_t size, size_t new_size, int flags, void *to)
{
    if (!refuse.move || !(flags & MREMAP_FIXED))
        return __real_mremap(from, size, new_size, flags, to);
    munmap(to, new_size);
    errno = EFAULT;
    return MAP_FAILED;
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

static int refused(int error)
{
    errno = error;
    return -1;
}

static bool exceeds_budget(size_t size)
{
    seen.commits++;
    if (size > refuse.budget)
        return true;
    if (refuse.budget != SIZE_MAX)
        refuse.budget -= size;
    return false;
}

void *__wrap_mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    bool is_commit = (flags & MAP_FIXED_NOREPLACE) && (protection & PROT_WRITE);
    if (protection == PROT_NONE && seen.mapping_count < COUNT(seen.mappings))
        seen.mappings[seen.mapping_count++] = size;
    if (size > refuse.largest || (is_commit && (refuse.place || exceeds_budget(size)))) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return __real_mmap(start, size, protection, flags, file, offset);
}

int __wrap_mprotect(void *start, size_t size, int protection)
{
    if ((protection & PROT_WRITE) && exceeds_budget(size))
        return refused(ENOMEM);
    return __real_mprotect(start, size, protection);
}

int __wrap_madvise(void *start, size_t size, int advice)
{
    if (advice == MADV_DONTNEED ? refuse.discard : refuse.advice)
        return refused(EINVAL);
    return __real_madvise(start, size, advice);
}

int __wrap_getrlimit(__rlimit_resource_t resource, struct rlimit *result)
{
    return refuse.limits ? refused(EFAULT) : __real_getrlimit(resource, result);
}

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    return refuse.key ? refuse.key : __real_pthread_key_create(key, destructor);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    seen.values++;
    return refuse.value ? refuse.value : __real_pthread_setspecific(key, value);
}

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return refuse.handler ? refuse.handler : __real_pthread_atfork(prepare, parent, child);
}

/* ---- the reservation ------------------------------------------------------------------------- */

static const struct region_wish usual = {1 << 20, 1 << 30};

static void reset(void)
{
    refuse.largest = refuse.budget = SIZE_MAX;
    refuse.place = refuse.advice = refuse.discard = refuse.limits = refuse.move = false;
    refuse.key = refuse.value = refuse.handler = 0;
    memset(&seen, 0, sizeof seen);
}

static const size_t largest[] = {2 * MIB, 3 * MIB, 10 * MIB, 1000 * MIB};

/* Where addresses cannot be chosen: address space used up, and strict overcommit that counts the
 * reservation. */
START_TEST(the_largest_half_that_is_granted)
{
    struct region region;
    refuse.place = true;
    refuse.largest = largest[_i];
    errno = ERANGE;
    ck_assert(region_reserve(&region, usual));
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_uint_le(region.size, largest[_i]);
    ck_assert_uint_ge(region.size, largest[_i] / 2 - page_size);
    ck_assert_uint_ge(region.slots, 1);
    ck_assert_uint_le(region.slots * region.span, region.size);
    for (size_t i = 2; i < seen.mapping_count; i++) /* the first asks for a place */
        ck_assert_uint_eq(seen.mappings[i], seen.mappings[i - 1] / 2 / 4096 * 4096);
    munmap((void *)region.start, region.size);
}
END_TEST

START_TEST(no_half_is_granted)
{
    struct region region = {1, 1, 1, 1};
    refuse.place = true;
    refuse.largest = MIB;
    errno = ERANGE;
    ck_assert(!region_reserve(&region, usual));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert(region.start == 0 && region.size == 0 && region.span == 0 && region.slots == 0);
    /* It went down as far as a region is of use. */
    ck_assert_uint_lt(seen.mappings[seen.mapping_count - 1], 3 * MIB);
}
END_TEST

START_TEST(a_region_that_may_have_huge_pages)
{
    struct region region;
    refuse.advice = true;
    errno = ERANGE;
    ck_assert(region_reserve(&region, usual));
    ck_assert_int_eq(errno, ERANGE);
    munmap((void *)region.start, region.size);
}
END_TEST

START_TEST(a_limit_that_cannot_be_asked_for)
{
    struct region with, without;
    refuse.place = true;
    ck_assert(region_reserve(&with, usual));
    munmap((void *)with.start, with.size);
    refuse.limits = true;
    errno = ERANGE;
    ck_assert(region_reserve(&without, usual));
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_uint_ge(without.size, with.size);
    munmap((void *)without.start, without.size);
}
END_TEST

/* ---- start ----------------------------------------------------------------------------------- */

static void must_not_start(void)
{
    static struct capture capture;
    next_resolve();
    config_read(&fixed.config);
    capture_start(&capture);
    require(!start_routing());
    require(strcmp(capture_end(&capture), "arenashim: routing is off: the system refuses to call "
                                          "the shim at thread exit or after fork\n") == 0);
    require(!block_is_ours(&capture) && seen.mapping_count == 0);
}

static void without_a_key(void)
{
    refuse.key = EAGAIN;
    must_not_start();
}

static void without_a_handler(void)
{
    refuse.handler = ENOMEM;
    must_not_start();
}

/* ---- a thread's first scope ------------------------------------------------------------------ */

#define CAPACITY (64 * KIB)

/* Begins a scope that gets no arena. Returns what is said. */
static const char *begin_refused(void)
{
    static struct capture capture;
    capture_start(&capture);
    errno = ERANGE;
    arena_scope_token token = arena_scope_begin(SITE("refused"));
    require(errno == ERANGE);
    require(token.id == 0 && !hot.thread && !hot.unavailable && !arena_scope_active());
    void *block = t_malloc(100);
    require(block && !block_is_ours(block));
    t_free(block);
    arena_scope_end(token);
    return capture_end(&capture);
}

static bool is_free(int slot)
{
    bool free = region_claim(&fixed.region) == slot;
    if (free)
        region_release(slot);
    return free;
}

static void *own_scope(void *slot)
{
    arena_scope_token token = begin("own");
    unsigned char *block = t_calloc(1, 100);
    require(block_is_ours(block) && holds_only(block, 100, 0));
    memset(block, 7, 100);
    *(int *)slot = hot.thread->slot;
    arena_scope_end(token);
    return NULL;
}

/* Later scopes get the arena, and its slot comes back at thread exit. */
static void recovers(void)
{
    int slot = -1;
    reset();
    require(is_free(0));
    in_thread(own_scope, &slot);
    require(slot == 0 && is_free(0));
}

static void without_a_key_value(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    refuse.value = ENOMEM;
    require(strcmp(begin_refused(),
                   "arenashim: a thread gets no arena: the system refuses to call the shim at its "
                   "exit; its calls, and those of further threads like it, go to the next "
                   "allocator\n") == 0);
    require(seen.values == 1);
    require(strcmp(begin_refused(), "") == 0);
    recovers();
}

static void without_a_record(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    refuse.budget = REGION_RECORD_BYTES - 1;
    require(strcmp(begin_refused(),
                   "arenashim: a thread gets no arena: the system refuses memory for it; its "
                   "calls, and those of further threads like it, go to the next allocator\n") == 0);
    require(strcmp(begin_refused(), "") == 0);
    recovers();
}

static void without_a_capacity(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    for (int round = 0; round < 3; round++) {
        refuse.budget = (round == 0 ? REGION_RECORD_BYTES : 0) + CAPACITY - 1; /* it stays */
        require((*begin_refused() != '\0') == (round == 0));
    }
    recovers();
}

/* ---- growth ---------------------------------------------------------------------------------- */

static void growth_in_steps(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    arena_scope_token token = begin("steps");
    seen.commits = 0;
    for (int i = 0; i < 1000; i++)
        require(block_is_ours(t_malloc(16 * KIB)));
    require(seen.commits > 0 && seen.commits <= 20);
    arena_scope_end(token);
}

/* Draws all of the capacity but 8 bytes, in one block that holds 7s. */
static unsigned char *draw_capacity(size_t *size)
{
    *size = hot.thread->capacity_end - hot.cursor - 16;
    unsigned char *block = t_malloc(*size);
    require(block_is_ours(block) && hot.cursor == hot.thread->capacity_end - 8);
    memset(block, 7, *size);
    return block;
}

/* A zeroed block of the arena, filled with 7s. */
static unsigned char *draw_zeroed(size_t size)
{
    unsigned char *block = t_calloc(1, size);
    require(block && block_is_ours(block) && holds_only(block, size, 0));
    memset(block, 7, size);
    return block;
}

/* The kernel has no more for a step, which is half of the arena, but for what is needed; then
 * nothing any more; then enough. */
static void retreat_to_the_need(void)
{
    size_t size;
    routing_start(CAPACITY, 64 * MIB, 16);
    unsigned char *old[] = {fixed.next.malloc(5000), fixed.next.malloc(100)};
    memset(old[0], 7, 5000);
    fixed.next.free(old[0]);
    arena_scope_token token = begin("retreat");
    unsigned char *first = draw_capacity(&size);
    seen.commits = 0;
    refuse.budget = 8192;
    errno = ERANGE;
    unsigned char *second = draw_zeroed(5000);
    require(seen.commits == 2 && refuse.budget == 0);
    require(hot.thread->committed == hot.thread->capacity_end + 8192);

    unsigned char *outside = t_calloc(1, 5000); /* not with what the next allocator has there */
    require(errno == ERANGE);
    require(outside && !block_is_ours(outside) && holds_only(outside, 5000, 0));
    require(site_named("retreat").fallbacks == 1);
    require(block_is_ours(t_malloc(100)));
    require(holds_only(first, size, 7) && holds_only(second, 5000, 7));
    t_free(outside);

    refuse.budget = SIZE_MAX;
    draw_zeroed(5000);
    require(holds_only(first, size, 7) && holds_only(second, 5000, 7));
    arena_scope_end(token);
    fixed.next.free(old[1]);
}

static void resize_without_memory(void)
{
    size_t size;
    routing_start(CAPACITY, 64 * MIB, 16);
    arena_scope_token token = begin("resize");
    unsigned char *first = draw_capacity(&size);
    refuse.budget = 8192;
    unsigned char *grown = t_realloc(first, size + 5000);
    require(grown == first && holds_only(first, size, 7));
    unsigned char *moved = t_realloc(first, size + 100000);
    require(moved && !block_is_ours(moved) && holds_only(moved, size, 7));
    require(block_is_ours(draw_capacity(&size))); /* where the moved one was */
    t_free(moved);
    arena_scope_end(token);
}

/* ---- trim ------------------------------------------------------------------------------------ */

static void grow_by(size_t size)
{
    arena_scope_token token = begin("grow");
    size_t capacity;
    draw_capacity(&capacity);
    draw_zeroed(size);
    arena_scope_end(token);
}

/* Whatever of a trim is refused, the next scope's zeroed blocks are. */
static void trim_refused(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    for (int what = 0; what < 4; what++) {
        refuse.discard = what & 1;
        grow_by(MIB);
        require(is_resident(hot.thread->capacity_end) == refuse.discard);
        grow_by(MIB + 5000);
    }
    reset();
    grow_by(MIB);
    require(!is_resident(hot.thread->capacity_end));
}

/* A trim that is refused is made up for by the next, also when that has less to give back. */
static void trim_refused_once(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    refuse.discard = true;
    grow_by(MIB);
    uintptr_t late = hot.thread->capacity_end + MIB - 8192;
    require(is_resident(late));
    refuse.discard = false;
    grow_by(8 * KIB);
    require(!is_resident(late));
    grow_by(MIB);
    grow_by(2 * MIB);
}

/* Nor does malloc_trim forget it. */
static void idle_trim_refused(void)
{
    routing_start(CAPACITY, 64 * MIB, 16);
    refuse.discard = true;
    grow_by(MIB);
    require(!trim_arenas(0));
    uintptr_t late = hot.thread->capacity_end + MIB - 8192;
    require(is_resident(late));
    refuse.discard = false;
    require(trim_arenas(0));
    require(!is_resident(late));
    grow_by(2 * MIB);
}

/* ---- thread exit and fork -------------------------------------------------------------------- */

static void *grow_in_thread(void *size)
{
    int slot;
    if (*(size_t *)size > 0)
        grow_by(*(size_t *)size);
    else
        own_scope(&slot);
    require(hot.thread->slot == 0);
    return NULL;
}

/* The next owner of the slot finds zeroes, and memory is given back when the kernel lets. */
static void exit_refused(void)
{
    static size_t sizes[] = {MIB, 8 * KIB, 2 * MIB, MIB, 0, 2 * MIB};
    routing_start(CAPACITY, 64 * MIB, 16);
    uintptr_t memory = region_memory(&fixed.region, 0);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        refuse.discard = i % 3 == 0;
        in_thread(grow_in_thread, &sizes[i]);
        require(is_resident(memory) == refuse.discard);
        require(is_resident(memory + MIB) == refuse.discard);
    }
}

static pthread_barrier_t barrier;

static void *hold_slot(void *unused)
{
    arena_scope_token token = begin("held");
    size_t size;
    draw_capacity(&size);
    draw_zeroed(MIB);
    require(hot.thread->slot == 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    arena_scope_end(token);
    return unused;
}

/* The child has not the thread, but its memory. */
static void fork_refused(void)
{
    pthread_t thread;
    int status = 1;
    routing_start(CAPACITY, 64 * MIB, 16);
    pthread_barrier_init(&barrier, NULL, 2);
    require(pthread_create(&thread, NULL, hold_slot, NULL) == 0);
    pthread_barrier_wait(&barrier);
    refuse.discard = true;
    pid_t child = fork();
    if (child == 0) {
        require(hot.thread == NULL && !is_resident(region_memory(&fixed.region, 0) + MIB));
        grow_by(MIB);
        require(hot.thread->slot == 0);
        _exit(0);
    }
    require(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    refuse.discard = false;
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

/* ---- scopes that retain ---------------------------------------------------------------------- */

static void start_retaining(void)
{
    setenv("ARENASHIM_END", "retain", 1);
    routing_start(CAPACITY, 64 * MIB, 16);
    fixed.config.capacity_is_set = false;
}

/* What cannot be had is the next allocator's, and the heap goes on with what it has. */
static void retained_growth_refused(void)
{
    static unsigned char *blocks[2000];
    start_retaining();
    arena_scope_token token = begin("retain");
    t_free(t_malloc(10));
    refuse.budget = 0;
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = memset(t_malloc(i % 50 ? 500 : 50000), (int)i, i % 50 ? 500 : 50000);
    require(block_is_ours(blocks[1]) && !block_is_ours(blocks[COUNT(blocks) - 1]));
    require(site_named("retain").fallbacks > 0);
    reset();
    unsigned char *large = memset(t_malloc(MIB), 7, MIB);
    require(block_is_ours(large));
    refuse.budget = 0;
    unsigned char *grown = t_realloc(large, 30 * MIB);
    require(grown && holds_only(grown, MIB, 7));
    for (size_t i = 0; i < COUNT(blocks); i++) {
        require(holds_only(blocks[i], i % 50 ? 500 : 50000, (unsigned char)i));
        t_free(blocks[i]);
    }
    t_free(grown);
    arena_scope_end(token);
    require(hot.thread->heap.alive == 0);
}

static void retained_discard_refused(void)
{
    start_retaining();
    for (int round = 0; round < 6; round++) {
        refuse.discard = round % 2 == 0;
        arena_scope_token token = begin("retain");
        for (int i = 0; i < 3; i++) {
            unsigned char *zeroed = t_calloc(1, (size_t)(round + 1) * MIB);
            require(block_is_ours(zeroed) && holds_only(zeroed, (size_t)(round + 1) * MIB, 0));
            memset(zeroed, 0xff, (size_t)(round + 1) * MIB);
            t_free(zeroed);
        }
        arena_scope_end(token);
        require(trim_arenas(0) == !refuse.discard);
        require(hot.thread->heap.pages.warm == 0 || refuse.discard);
    }
}

static void retained_move_refused(void)
{
    start_retaining();
    arena_scope_token token = begin("retain");
    unsigned char *block = memset(t_malloc(MIB), 1, MIB), *behind = memset(t_malloc(MIB), 2, MIB);
    refuse.move = true;
    block = t_realloc(block, 2 * MIB);
    require(block_is_ours(block) && holds_only(block, MIB, 1) && holds_only(behind, MIB, 2));
    const struct pages *pages = &hot.thread->heap.pages;
    for (uint32_t page = 0; page < pages->count; page++)
        require(is_readable(pages_address(pages, page)));
    unsigned char *zeroed = t_calloc(1, 3 * MIB);
    require(block_is_ours(zeroed) && holds_only(zeroed, 3 * MIB, 0));
    memset(zeroed, 3, 3 * MIB);
    require(holds_only(block, MIB, 1) && holds_only(behind, MIB, 2));
    t_free(block);
    t_free(behind);
    t_free(zeroed);
    arena_scope_end(token);
}

/* ---- libarena -------------------------------------------------------------------------------- */

static void *make_arena(void *error)
{
    errno = 0;
    struct arena *arena = arena_thread();
    *(int *)error = errno;
    return arena;
}

START_TEST(a_thread_arena_that_is_refused_is_none)
{
    int error;
    refuse.budget = 0;
    ck_assert_ptr_null(in_thread(make_arena, &error));
    ck_assert_int_eq(error, ENOMEM);
    reset();
    refuse.value = EAGAIN;
    ck_assert_ptr_null(in_thread(make_arena, &error));
    ck_assert_int_eq(error, EAGAIN);
    reset();
    ck_assert_ptr_nonnull(in_thread(make_arena, &error));
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static const struct fresh cases[] = {
    {"without_a_key", without_a_key},
    {"without_a_handler", without_a_handler},
    {"without_a_key_value", without_a_key_value},
    {"without_a_record", without_a_record},
    {"without_a_capacity", without_a_capacity},
    {"growth_in_steps", growth_in_steps},
    {"retreat_to_the_need", retreat_to_the_need},
    {"resize_without_memory", resize_without_memory},
    {"trim_refused", trim_refused},
    {"trim_refused_once", trim_refused_once},
    {"idle_trim_refused", idle_trim_refused},
    {"exit_refused", exit_refused},
    {"fork_refused", fork_refused},
    {"retained_growth_refused", retained_growth_refused},
    {"retained_discard_refused", retained_discard_refused},
    {"retained_move_refused", retained_move_refused},
    {NULL, NULL},
};

/* Under a checker arenas are laid out otherwise. */
START_TEST(refusals)
{
    if (!track_active())
        ck_assert_fresh(cases[_i].name);
}
END_TEST

static Suite *faults_suite(void)
{
    Suite *suite = suite_create("faults");
    TCase *reservation = tcase_create("reservation");
    tcase_add_checked_fixture(reservation, reset, reset);
    tcase_add_loop_test(reservation, the_largest_half_that_is_granted, 0, COUNT(largest));
    tcase_add_test(reservation, no_half_is_granted);
    tcase_add_test(reservation, a_region_that_may_have_huge_pages);
    tcase_add_test(reservation, a_limit_that_cannot_be_asked_for);
    suite_add_tcase(suite, reservation);

    TCase *process = tcase_create("process");
    tcase_add_loop_test(process, refusals, 0, COUNT(cases) - 1);
    suite_add_tcase(suite, process);

    TCase *thread_arena = tcase_create("libarena");
    tcase_add_checked_fixture(thread_arena, reset, reset);
    tcase_add_test(thread_arena, a_thread_arena_that_is_refused_is_none);
    suite_add_tcase(suite, thread_arena);
    return suite;
}

int main(int argc, char **argv)
{
    return run_suite(faults_suite, cases, argc, argv);
}

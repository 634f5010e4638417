/*
 * Unit tests of region.h: addresses under limits on address space, the
 * geometry of slots, claims by one and by many threads, and what commit, discard and forbid do.
 */
#include "harness.h"

#include <sys/resource.h>

static const struct region_wish usual = {1 << 20, 1 << 30};

/* Checks what must hold for every region that was reserved for the wish. */
static void check_geometry(const struct region *region, struct region_wish wish)
{
    require(region->start != 0 && region->size != 0);
    require(region->slots >= 1 && region->slots <= REGION_SLOTS_MAX);
    require(region->slots * region->span <= region->size);
    for (int slot = 0; slot < (int)region->slots; slot++) {
        uintptr_t record = region_record(region, slot);
        uintptr_t memory = region_memory(region, slot);
        uintptr_t end = region_memory_end(region, slot);
        require(record == region->start + (size_t)slot * REGION_RECORD_BYTES);
        require(memory >= region->start + region->slots * REGION_RECORD_BYTES + page_size);
        require(end + 2 * page_size == memory + region->span);
        require(slot == 0 || memory == region_memory_end(region, slot - 1) + 2 * page_size);
        require(end + page_size <= region->start + region->size);
        require(region_slot_of(region, memory) == slot && region_slot_of(region, end - 1) == slot);
        require(region_slot_of(region, record) == -1);
        require(record % page_size == 0 && memory % page_size == 0 && end % page_size == 0);
        require(end - memory >= wish.capacity && end - memory <= wish.limit);
    }
}

static void give_back(const struct region *region)
{
    munmap((void *)region->start, region->size);
}

/* ---- reservation ----------------------------------------------------------------------------- */

static const struct region_wish wishes[] = {
    {1 << 16, 1 << 16},
    {1 << 16, 1 << 17},
    {1 << 20, 1 << 20},
    {1 << 20, 1 << 30},
    {(size_t)3 << 29, (size_t)3 << 29},
    {1 << 20, (size_t)1 << 35},
    {1 << 20, (size_t)1 << 40},
    {3 << 16, ((size_t)1 << 36) + (1 << 16)},
};

START_TEST(every_wish_gives_sound_slots)
{
    struct region region;
    if (track_active() && wishes[_i].capacity > 512 * MIB)
        return; /* a checker allows 1 GiB in all */
    errno = ERANGE;
    ck_assert(region_reserve(&region, wishes[_i]));
    ck_assert_int_eq(errno, ERANGE);
    check_geometry(&region, wishes[_i]);
    give_back(&region);
}
END_TEST

START_TEST(without_limits_all_slots_have_the_full_size)
{
    struct region region;
    if (track_active() || SANITIZED)
        return;
    ck_assert(region_reserve(&region, usual));
    ck_assert_uint_eq(region.slots, REGION_SLOTS_MAX);
    ck_assert_uint_eq(region_memory_end(&region, 1023) - region_memory(&region, 1023), usual.limit);
    give_back(&region);
}
END_TEST

START_TEST(slots_too_large_for_all_are_fewer_or_smaller)
{
    struct region region;
    struct region_wish wish = {1 << 20, (size_t)1 << 40};
    if (track_active() || SANITIZED)
        return;
    ck_assert(region_reserve(&region, wish));
    ck_assert_uint_ge(region.slots, 4);
    ck_assert_uint_eq(region_memory_end(&region, 0) - region_memory(&region, 0), wish.limit);
    give_back(&region);
}
END_TEST

START_TEST(a_fresh_region_is_inaccessible)
{
    struct region region;
    ck_assert(region_reserve(&region, usual));
    ck_assert(!is_readable(region.start));
    ck_assert(!is_readable(region_memory(&region, 0)));
    ck_assert(!is_readable(region.start + region.size - 1));
    give_back(&region);
}
END_TEST

static void limit_address_space(size_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    require(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Whatever the limit, now or later, addresses count only where memory is. */
static void limit_later(void)
{
    struct region region;
    limit_address_space(1024 * MIB);
    require(region_reserve(&region, usual));
    require(region.slots == REGION_SLOTS_MAX);
    check_geometry(&region, usual);
    uintptr_t memory = region_memory(&region, 0);
    void *own = mmap(NULL, 960 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(own != MAP_FAILED);
    errno = ERANGE;
    require(!region_commit(memory, memory + 128 * MIB));
    require(errno == ERANGE && !is_readable(memory));
    require(region_commit(memory, memory + MIB));
    limit_address_space(16 * MIB);
    require(!region_commit(memory + MIB, memory + 2 * MIB));
    require(region_uncommit(memory, memory + MIB) && !is_readable(memory));
}

START_TEST(limits_on_address_space)
{
    if (!track_active() && !SANITIZED && !emulated("limits on address space"))
        ck_assert_fresh("limit_later");
}
END_TEST

/* ---- claims ---------------------------------------------------------------------------------- */

static void claim_in_order(void)
{
    static const struct region region = {.slots = 130}; /* claims look at nothing else */
    for (int slot = 0; slot < 130; slot++) {
        require(region_slots_seen() == slot);
        require(region_claim(&region) == slot);
    }
    require(region_claim(&region) == -1);
    require(region_slots_seen() == 130);
    region_release(129);
    region_release(64);
    region_release(63);
    require(region_claim(&region) == 63);
    require(region_claim(&region) == 64);
    require(region_claim(&region) == 129);
    require(region_claim(&region) == -1);
    require(region_slots_seen() == 130);
}

START_TEST(slots_are_claimed_lowest_first_and_run_out)
{
    ck_assert_fresh("claim_in_order");
}
END_TEST

static void claim_all(void)
{
    static const struct region region = {.slots = REGION_SLOTS_MAX};
    for (int slot = 0; slot < REGION_SLOTS_MAX; slot++)
        require(region_claim(&region) == slot);
    require(region_claim(&region) == -1);
}

START_TEST(as_many_as_there_can_be)
{
    ck_assert_fresh("claim_all");
}
END_TEST

enum { CLAIMERS = 4, CLAIM_ROUNDS = 200000, CONTESTED = 6 };
static int owners[CONTESTED];

/* Claims two slots again and again; each must be this thread's alone. */
static void *claim_and_release(void *unused)
{
    static const struct region region = {.slots = CONTESTED};
    for (int round = 0; round < CLAIM_ROUNDS / (track_emulated() || SANITIZED ? 20 : 1); round++) {
        int slots[2];
        for (int i = 0; i < 2; i++) {
            slots[i] = region_claim(&region);
            require(slots[i] < CONTESTED);
            if (slots[i] >= 0)
                require(__atomic_fetch_add(&owners[slots[i]], 1, __ATOMIC_RELAXED) == 0);
        }
        for (int i = 0; i < 2; i++) {
            if (slots[i] < 0)
                continue;
            require(__atomic_fetch_sub(&owners[slots[i]], 1, __ATOMIC_RELAXED) == 1);
            region_release(slots[i]);
        }
    }
    return unused;
}

START_TEST(threads_never_share_a_slot)
{
    pthread_t threads[CLAIMERS];
    for (int i = 0; i < CLAIMERS; i++)
        require(pthread_create(&threads[i], NULL, claim_and_release, NULL) == 0);
    for (int i = 0; i < CLAIMERS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

static struct region one;
static uintptr_t pages; /* three of them, in the middle of a slot's memory */

static void reserve_one(void)
{
    ck_assert(region_reserve(&one, usual));
    pages = region_memory(&one, 0) + 10 * page_size;
}

static void give_back_one(void)
{
    give_back(&one);
}

START_TEST(commit_gives_zeroed_memory_and_nothing_beside_it)
{
    errno = ERANGE;
    ck_assert(region_commit(pages, pages + 2 * page_size));
    ck_assert_int_eq(errno, ERANGE);
    track_show((void *)pages, 2 * page_size);
    ck_assert(holds_only((void *)pages, 2 * page_size, 0));
    memset((void *)pages, 7, 2 * page_size);
    ck_assert(!is_readable(pages - 1));
    ck_assert(!is_readable(pages + 2 * page_size));
}
END_TEST

START_TEST(a_refused_discard_is_false_and_keeps_errno)
{
    uintptr_t beyond = one.start + one.size - page_size;
    munmap((void *)beyond, page_size);
    errno = ERANGE;
    bool discarded = region_discard(beyond, beyond + page_size);
    ck_assert(!discarded || emulated("a refused discard"));
    region_forbid(beyond, beyond + page_size);
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

START_TEST(what_is_not_the_regions_is_left_alone)
{
    unsigned char *other = mmap((void *)(pages + page_size), page_size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (other == MAP_FAILED) /* the region is reserved */
        return;
    if ((uintptr_t)other == pages + page_size) {
        *other = 7;
        errno = ERANGE;
        ck_assert(!region_commit(pages, pages + 2 * page_size));
        ck_assert_int_eq(errno, ERANGE);
        ck_assert(*other == 7 && !is_readable(pages));
    }
    munmap(other, page_size);
}
END_TEST

START_TEST(memory_that_is_uncommitted_can_be_committed_anew)
{
    for (int round = 0; round < 2; round++) {
        errno = ERANGE;
        ck_assert(region_commit(pages, pages + 2 * page_size));
        track_show((void *)pages, 2 * page_size);
        ck_assert(holds_only((void *)pages, 2 * page_size, 0));
        memset((void *)pages, 7, 2 * page_size);
        ck_assert(region_uncommit(pages, pages + 2 * page_size));
        ck_assert_int_eq(errno, ERANGE);
        ck_assert(!is_readable(pages) && !is_readable(pages + 2 * page_size - 1));
    }
}
END_TEST

START_TEST(discard_zeroes_and_leaves_neighbours)
{
    unsigned char resident[16] = {1};
    ck_assert(region_commit(pages, pages + 3 * page_size));
    track_show((void *)pages, 3 * page_size);
    memset((void *)pages, 7, 3 * page_size);
    ck_assert(region_discard(pages + page_size, pages + 2 * page_size));
    ck_assert_int_eq(mincore((void *)(pages + page_size), page_size, resident), 0);
    ck_assert_int_eq(*resident & 1, 0);
    ck_assert(holds_only((void *)pages, page_size, 7));
    ck_assert(holds_only((void *)(pages + page_size), page_size, 0));
    ck_assert(holds_only((void *)(pages + 2 * page_size), page_size, 7));
}
END_TEST

START_TEST(locked_memory_is_not_discarded)
{
    ck_assert(region_commit(pages, pages + page_size));
    track_show((void *)pages, page_size);
    memset((void *)pages, 7, page_size);
    if (mlock((void *)pages, page_size) != 0)
        return; /* not allowed here */
    errno = ERANGE;
    bool discarded = region_discard(pages, pages + page_size);
    ck_assert_int_eq(errno, ERANGE);
    ck_assert(discarded == holds_only((void *)pages, page_size, 0));
    munlock((void *)pages, page_size);
}
END_TEST

START_TEST(forbidden_memory_is_inaccessible)
{
    ck_assert(region_commit(pages, pages + 3 * page_size));
    errno = ERANGE;
    region_forbid(pages + page_size, pages + 2 * page_size);
    ck_assert_int_eq(errno, ERANGE);
    ck_assert(is_readable(pages) && is_readable(pages + 2 * page_size));
    ck_assert(!is_readable(pages + page_size) && !is_readable(pages + 2 * page_size - 1));
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *region_suite(void)
{
    Suite *suite = suite_create("region");
    TCase *reservation = tcase_create("reservation");
    tcase_add_loop_test(reservation, every_wish_gives_sound_slots, 0, COUNT(wishes));
    tcase_add_test(reservation, without_limits_all_slots_have_the_full_size);
    tcase_add_test(reservation, slots_too_large_for_all_are_fewer_or_smaller);
    tcase_add_test(reservation, a_fresh_region_is_inaccessible);
    tcase_add_test(reservation, limits_on_address_space);
    suite_add_tcase(suite, reservation);

    TCase *claims = tcase_create("claims");
    tcase_set_timeout(claims, 60);
    tcase_add_test(claims, slots_are_claimed_lowest_first_and_run_out);
    tcase_add_test(claims, as_many_as_there_can_be);
    tcase_add_test(claims, threads_never_share_a_slot);
    suite_add_tcase(suite, claims);

    TCase *memory = tcase_create("memory");
    tcase_add_checked_fixture(memory, reserve_one, give_back_one);
    tcase_add_test(memory, commit_gives_zeroed_memory_and_nothing_beside_it);
    tcase_add_test(memory, a_refused_discard_is_false_and_keeps_errno);
    tcase_add_test(memory, what_is_not_the_regions_is_left_alone);
    tcase_add_test(memory, memory_that_is_uncommitted_can_be_committed_anew);
    tcase_add_test(memory, discard_zeroes_and_leaves_neighbours);
    tcase_add_test(memory, locked_memory_is_not_discarded);
    tcase_add_test(memory, forbidden_memory_is_inaccessible);
    suite_add_tcase(suite, memory);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"limit_later", limit_later},
        {"claim_in_order", claim_in_order},
        {"claim_all", claim_all},
        {NULL, NULL},
    };
    return run_suite(region_suite, cases, argc, argv);
}

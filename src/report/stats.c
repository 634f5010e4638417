#include "report/stats.h"

#include <string.h>

#include "base/numbers.h"
#include "base/page.h"
#include "engine/frees.h"
#include "engine/looks.h"
#include "memory/layout.h"
#include "next/fixed.h"
#include "scope/close.h"
#include "scope/process.h"
#include "thread/gate.h"
#include "thread/misuse.h"
#include "thread/settle.h"
#include "thread/thread.h"

/* ---- sites ----------------------------------------------------------------------------------- */

static void add_site(struct site_stats *sum, const struct site_stats *stats)
{
    sum->scopes += stats->scopes;
    sum->calls += stats->calls;
    sum->bytes += stats->bytes;
    sum->peak = higher(sum->peak, stats->peak);
    sum->overflows += stats->overflows;
    sum->fallbacks += stats->fallbacks;
    sum->passed += stats->passed;
    sum->live_at_end += stats->live_at_end;
    sum->survivors += stats->survivors;
    sum->left_open += stats->left_open;
    sum->pinned = higher(sum->pinned, stats->pinned);
}

static void add_site_of_all_threads(struct site_stats *sum, size_t index)
{
    for (int slot = 0; slot < region_slots_seen(); slot++) {
        const struct thread *thread = thread_counted(slot);
        if (thread)
            add_site(sum, &thread->sites[index]);
    }
}

bool stats_of_site(size_t index, struct site_stats *sum)
{
    const struct site *site = sites_at(index);
    *sum = (struct site_stats){0};
    if (!__atomic_load_n(&site->ready, __ATOMIC_ACQUIRE))
        return false;
    for (size_t i = 0; i < index; i++)
        if (sites_at(i)->ready && sites_equal(sites_at(i), site))
            return false;
    for (size_t i = index; i < sites_count(); i++)
        if (sites_at(i)->ready && sites_equal(sites_at(i), site))
            add_site_of_all_threads(sum, i);
    return (sum->scopes | sum->bytes | sum->calls | sum->overflows) != 0;
}

uint64_t stats_of_size(size_t index, unsigned size)
{
    uint64_t sum = 0;
    for (size_t i = index; i < sites_count(); i++)
        if (sites_at(i)->ready && sites_equal(sites_at(i), sites_at(index)))
            sum += looks_of_size(i, size);
    return sum;
}

/* ---- modules --------------------------------------------------------------------------------- */

/* A name may have been entered by two threads at once. */
static int first_of_name(int number)
{
    int first = 0;
    while (!modules_name(first) || strcmp(modules_name(first), modules_name(number)) != 0)
        first++;
    return first;
}

static void add_modules(struct stats *stats, const struct thread *thread)
{
    for (int i = 0; i < modules_names(); i++) {
        uint64_t calls = thread->passed.modules[i];
        if (calls == 0)
            continue;
        stats->by_module[first_of_name(i)] += calls;
        stats->not_participating += calls;
    }
}

int stats_next_module(const struct stats *stats, uint64_t below, int after)
{
    int best = -1;
    for (int i = 0; i < MODULE_NAMES_MAX; i++) {
        uint64_t calls = stats->by_module[i];
        if (calls == 0 || calls > below || (calls == below && i <= after))
            continue;
        if (best < 0 || calls > stats->by_module[best])
            best = i;
    }
    return best;
}

/* ---- everything ------------------------------------------------------------------------------ */

static void add_thread(struct stats *stats, const struct thread *thread)
{
    stats->threads += thread->threads;
    stats->in_place += thread->in_place;
    stats->freed += thread->freed;
    stats->ignored_frees += thread->ignored_frees;
    stats->paused += thread->passed.paused;
    stats->interrupted += thread->passed.interrupted;
    stats->unknown += thread->passed.unknown;
    stats->late_frees += thread->late_frees;
    stats->high_water = higher(stats->high_water, thread->high_water);
    stats->need = higher(stats->need, thread->need);
    stats->left_open += thread->left_open;
    stats->other_stacks += thread->other_stacks;
    for (size_t i = 0; i < sites_count(); i++)
        add_site(&stats->all_sites, &thread->sites[i]);
    add_modules(stats, thread);
}

void stats_collect(struct stats *stats, bool at_exit)
{
    process_look();
    *stats = (struct stats){.ignored_frees = frees_elsewhere(IGNORED_FREES),
                            .late_frees = frees_elsewhere(LATE_FREES),
                            .misuses = misuse_count()};
    struct thread *own = hot.thread;
    if (own && own->depth > 0) {
        settle_found(own, gate_heap_is_shut(own));
        if (at_exit) {
            scope_account_open(own);
            own->left_open += own->excess;
            thread_innermost(own)->stats->left_open += own->excess;
            scope_count_left(own, own->automatic != SCOPES_NONE);
        }
    }
    for (int slot = 0; slot < region_slots_seen(); slot++) {
        const struct thread *thread = thread_counted(slot);
        if (thread)
            add_thread(stats, thread);
    }
    stats->need = higher(stats->need, stats->high_water);
}

uint64_t stats_routed_calls(const struct stats *stats)
{
    return stats->all_sites.calls + stats->in_place;
}

uint64_t stats_passed(const struct stats *stats)
{
    return stats->paused + stats->interrupted + stats->unknown + stats->not_participating +
           stats->all_sites.fallbacks;
}

uint64_t stats_recommended_capacity(const struct stats *stats)
{
    /* The cursor of an empty arena lies this far into its memory. */
    uint64_t bytes = stats->need + fixed.config.align - BLOCK_HEADER;
    uint64_t page = page_size;
    return bytes > UINT64_MAX - page ? bytes : round_up(bytes, page);
}

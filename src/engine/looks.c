#include "engine/looks.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/track.h"
#include "engine/trace.h"

static uint64_t (*sizes)[LOOKS_SIZES]; /* SITES_MAX, mapped when they are needed; or NULL */
static struct look_node nodes[LOOKS_NODES];

static void add(uint64_t *sum, uint64_t number)
{
    __atomic_fetch_add(sum, number, __ATOMIC_RELAXED);
}

/* False: the system refuses the memory. */
static bool map_sizes(void)
{
    int saved_errno = errno;
    void *mapped = mmap(NULL, SITES_MAX * sizeof *sizes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t(*none)[LOOKS_SIZES] = NULL;
    if (mapped != MAP_FAILED && !__atomic_compare_exchange_n(&sizes, &none, mapped, false,
                                                             __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
        munmap(mapped, SITES_MAX * sizeof *sizes);
    errno = saved_errno;
    return mapped != MAP_FAILED;
}

static unsigned size_of(uint64_t bytes)
{
    unsigned power = 63 - (unsigned)__builtin_clzl(bytes | 1);
    return power < LOOKS_SIZES ? power : LOOKS_SIZES - 1;
}

/* The node of the site in that of `around`; `around` itself when there is no room for it. Numbers
 * are places in the table, found by a hash. */
static uint32_t node_in(uint32_t around, size_t site)
{
    uint64_t key = (uint64_t)around << 32 | (site + 1);
    uint32_t first = (uint32_t)(key * 0x9e3779b97f4a7c15 >> 32);
    for (uint32_t i = 0; i < LOOKS_NODES; i++) {
        uint32_t number = (first + i) % LOOKS_NODES;
        uint64_t found = 0;
        if (number != 0 && (__atomic_compare_exchange_n(&nodes[number].key, &found, key, false,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
                            found == key))
            return number;
    }
    return around;
}

/* A scope in one of its own site is the same node: recursion does not deepen the tree. */
static uint32_t node_of(const struct thread *thread, const struct frame *innermost)
{
    const struct site_stats *last = NULL;
    uint32_t node = 0;
    unsigned depth = 0;
    for (const struct frame *frame = thread->frames; frame <= innermost && depth < LOOKS_DEPTH;
         frame++) {
        if (frame->stats == last)
            continue;
        last = frame->stats;
        node = node_in(node, (size_t)(last - thread->sites));
        depth++;
    }
    return node;
}

/* How many ends there are from the look before to the one with this number, itself included: few at
 * first, so that some hundred scopes are known by more than their beginning. */
static uint64_t gap_before(uint64_t look)
{
    uint64_t doublings = look < LOOKS_FIRST ? 0 : 1 + (look - LOOKS_FIRST) / 4;
    return doublings < 9 ? (UINT64_C(1) << doublings) * 2 - 1 : LOOKS_GAP;
}

COLD void looks_note(struct thread *thread, struct frame *frame, uint64_t bytes)
{
    struct site_stats *stats = frame->stats;
    uint64_t weight = gap_before(stats->looks) - (uint64_t)stats->ends_cut;
    stats->ends_cut = 0;
    stats->ends_left = (int32_t)gap_before(++stats->looks) - 1;
    if (__atomic_load_n(&sizes, __ATOMIC_ACQUIRE) || map_sizes())
        add(&sizes[stats - thread->sites][size_of(bytes)], weight);
    add(&nodes[node_of(thread, frame)].scopes, weight);
    trace_end(thread, frame);
    if ((stats->looks & (stats->looks - 1)) != 0)
        return;
    trace_around(thread, frame);
    if (frame->live > 0)
        trace_next(thread, stats);
}

uint64_t looks_of_size(size_t site, unsigned size)
{
    return __atomic_load_n(&sizes, __ATOMIC_ACQUIRE)
               ? __atomic_load_n(&sizes[site][size], __ATOMIC_RELAXED)
               : 0;
}

struct look_node looks_node(uint32_t number)
{
    return (struct look_node){__atomic_load_n(&nodes[number].key, __ATOMIC_RELAXED),
                              __atomic_load_n(&nodes[number].scopes, __ATOMIC_RELAXED)};
}

void looks_after_fork(void)
{
    void *before = sizes;
    sizes = NULL;
    signal_fence();
    if (before)
        munmap(before, SITES_MAX * sizeof *sizes);
    if (sites_count() > 0)
        memset(nodes, 0, sizeof nodes);
}

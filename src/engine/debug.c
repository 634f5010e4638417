#include "engine/debug.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/page.h"
#include "base/text.h"
#include "engine/retain.h"
#include "memory/region.h"
#include "route/modules.h"
#include "thread/sites.h"

enum { FRESH = 0xa5, RELEASED = 0x5a, RED = 0xfb };

/* Bytes of an arena's ended scopes whose contents stay, for the report. */
#define CONTENTS_MAX ((size_t)64 << 20)

/* ---- verify ---------------------------------------------------------------------------------- */

static bool is_filled(uintptr_t start, uintptr_t end, unsigned char byte)
{
    for (const unsigned char *at = (const unsigned char *)start; (uintptr_t)at < end; at++)
        if (*at != byte)
            return false;
    return true;
}

/* What can be told of the block, and abort(). */
__attribute__((noreturn)) static void fail(const char *what, const void *block,
                                           const struct header *header, const char *when)
{
    struct text line;
    text_message(&line);
    text_str(&line, what);
    if (header) {
        text_str(&line, " a block of ");
        text_uint(&line, header->asked);
        text_str(&line, " bytes at ");
    }
    text_address(&line, (uintptr_t)block);
    if (header) {
        text_str(&line, " that ");
        modules_describe(&line, header->caller);
        text_str(&line, " drew");
    }
    text_str(&line, "; found ");
    text_str(&line, when);
    text_str(&line, " (ARENASHIM_DEBUG=verify)");
    text_end(&line);
    check_abort();
}

static void verify(const void *block, const struct header *header, const char *when)
{
    uintptr_t end = header_end(header);
    uintptr_t asked_end = (uintptr_t)block + header->asked;
    bool is_retained = threads_retain && retain_holds(block);
    size_t odd = is_retained ? end % BLOCK_HEADER : (end + BLOCK_HEADER) % ALIGN_MIN;
    if (odd != 0 || (end > hot.cursor && !is_retained) || end <= (uintptr_t)block ||
        header->asked == 0 || header->asked > end - (uintptr_t)block ||
        header->previous >= (uintptr_t)block)
        fail("write into the header of the block at ", block, NULL, when);
    if (!is_filled(asked_end, end, RED))
        fail("write past the end of", block, header, when);
    if (debug_has(DEBUG_POISON) && (header->end & BLOCK_FREED) &&
        !is_filled((uintptr_t)block, asked_end, RELEASED))
        fail("write after free to", block, header, when);
}

/* All blocks of the chain at or above `start`. */
static void verify_chain(const struct thread *thread, uintptr_t start, const char *when)
{
    for (uintptr_t block = thread->newest; block >= start && block != 0;) {
        struct header header = header_read((void *)block);
        verify((void *)block, &header, when);
        block = header.previous;
    }
}

/* ---- quarantine ------------------------------------------------------------------------------ */

/* Discards the contents of the oldest ended scopes. */
static void forget_contents(struct thread *thread)
{
    for (uint64_t i = 0; i < QUARANTINE_MAX && thread->quarantine_bytes > CONTENTS_MAX; i++) {
        struct quarantined *entry =
            &thread->quarantine[(thread->quarantine_next + i) % QUARANTINE_MAX];
        if (entry->last == 0)
            continue;
        region_discard(entry->start, entry->end);
        thread->quarantine_bytes -= entry->end - entry->start;
        entry->last = 0;
    }
}

static void enter(struct thread *thread, struct quarantined entry)
{
    struct quarantined *oldest = &thread->quarantine[thread->quarantine_next++ % QUARANTINE_MAX];
    if (oldest->last != 0) {
        region_discard(oldest->start, oldest->end);
        thread->quarantine_bytes -= oldest->end - oldest->start;
    }
    /* Between blocks of a scope that is open each entry costs the process two mappings, of which
     * the kernel grants a limited number; elsewhere neighbours are one. */
    if (oldest->end > 0 && (oldest->start >= thread->base || fixed.config.scopes == SCOPES_PROCESS))
        region_permit(oldest->start, oldest->end);
    *oldest = entry;
    thread->quarantine_bytes += entry.end - entry.start;
    forget_contents(thread);
    region_forbid(entry.start, entry.end);
}

/* Whether a scope that ends can be put away. A nested one that uses up much of the arena's
 * addresses is not: those of the outermost one come again only after its end. */
static bool has_room(const struct thread *thread, bool goes_round)
{
    uintptr_t middle = thread->memory + (thread->memory_end - thread->memory) / 2;
    return thread->depth == 1 ? !goes_round : page_up(hot.cursor) < middle;
}

static void put_away(struct thread *thread, const struct frame *frame, uintptr_t last)
{
    /* A nested scope draws from a page of its own on: see find_place. */
    uintptr_t start = thread->depth == 1 ? page_down(frame->start) : page_up(frame->start);
    uintptr_t end = page_up(hot.cursor);
    /* First, so that a block which a signal handler draws meanwhile lies behind. */
    hot.cursor = thread->quarantine_end = block_base(end, fixed.config.align);
    signal_fence();
    enter(thread, (struct quarantined){start, end, last, (size_t)(frame->stats - thread->sites)});
}

/* Once: an arena that has room for no scope beside one as large as those so far. */
static void say_too_small(const struct thread *thread)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    size_t limit = (thread->memory_end - thread->memory) / BLOCK_CHECKED_ROOM;
    struct text line;
    text_message(&line);
    text_str(&line, "ARENASHIM_DEBUG=quarantine cannot put scopes of ");
    text_uint(&line, thread->high_water);
    text_str(&line, " bytes away: the limit of ");
    text_uint(&line, limit);
    text_str(&line, " bytes is too small; ARENASHIM_LIMIT=");
    text_uint(&line, page_up(fixed.config.capacity + thread->high_water));
    text_str(&line, " would do");
    text_end(&line);
}

bool debug_is_quarantined(const struct thread *thread, const void *block)
{
    for (size_t i = 0; i < QUARANTINE_MAX; i++)
        if ((uintptr_t)block - thread->quarantine[i].start <
            thread->quarantine[i].end - thread->quarantine[i].start)
            return true;
    return false;
}

void debug_goes_round(struct thread *thread)
{
    if (!debug_has(DEBUG_QUARANTINE))
        return;
    thread->base = block_base(thread->memory, fixed.config.align);
    if (thread->quarantine_next == 0)
        return; /* nothing is inaccessible */
    memset(thread->quarantine, 0, sizeof thread->quarantine);
    thread->quarantine_next = 0;
    thread->quarantine_bytes = 0;
    thread->touched =
        region_uncommit(thread->memory, thread->committed) ? thread->memory : thread->committed;
    thread->committed = thread->memory;
    thread_commit(thread, thread->memory + fixed.config.capacity);
}

/* ---- the report of a stale use --------------------------------------------------------------- */

static struct sigaction outer_action;

/* The block of an ended scope that holds the address; 0 when it is not to be found. */
static uintptr_t find_block(const struct quarantined *entry, uintptr_t address)
{
    mprotect((void *)entry->start, entry->end - entry->start, PROT_READ);
    for (uintptr_t block = entry->last; block >= entry->start && block < entry->end;) {
        struct header header = header_read((void *)block);
        if (address >= block - sizeof header)
            return address < header_end(&header) ? block : 0;
        block = header_previous((void *)block, &header);
    }
    return 0;
}

static void describe_stale(struct text *line, const struct quarantined *entry, uintptr_t address)
{
    uintptr_t block = find_block(entry, address);
    if (block) {
        struct header header = header_read((void *)block);
        text_str(line, " in a block of ");
        text_uint(line, header.asked);
        text_str(line, " bytes at ");
        text_address(line, block);
        text_str(line, " that ");
        modules_describe(line, header.caller);
        text_str(line, " drew in scope ");
    } else {
        text_str(line, " in memory of scope ");
    }
    sites_describe(line, entry->site);
}

static const struct quarantined *find_entry(uintptr_t address)
{
    const struct thread *thread = thread_of_address(address);
    for (size_t i = 0; thread && i < QUARANTINE_MAX; i++) {
        const struct quarantined *entry = &thread->quarantine[i];
        if (address - entry->start < entry->end - entry->start)
            return entry;
    }
    return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    bool is_fault = info->si_code > 0;
    if (is_fault && address - fixed.region.start < fixed.region.size) {
        const struct quarantined *entry = find_entry(address);
        struct text line;
        text_message(&line);
        text_str(&line,
                 entry ? "use of scope memory after its end: " : "stray access to an arena: ");
        text_address(&line, address);
        if (entry)
            describe_stale(&line, entry, address);
        text_end(&line);
        if (entry)
            region_forbid(entry->start, entry->end);
    }
    /* Whoever was to handle it does: the instruction faults again on return, a sent signal is sent
     * again. */
    WRITE_COVERAGE();
    sigaction(SIGSEGV, &outer_action, NULL);
    if (!is_fault)
        raise(number);
    errno = saved_errno;
}

/* ---- what the slow paths call ---------------------------------------------------------------- */

void debug_start(void)
{
    if (!debug_has(DEBUG_QUARANTINE))
        return;
    if (fixed.config.end == END_RETAIN ||
        (fixed.config.scopes != SCOPES_NONE && fixed.config.end != END_RESET)) {
        struct text line;
        text_message(&line);
        text_str(&line, "ARENASHIM_DEBUG=quarantine: scopes that retain drop nothing that could be "
                        "put away");
        text_end(&line);
    }
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &outer_action);
}

static void fence(void *block, const struct header *header)
{
    uintptr_t end = (uintptr_t)block + header->asked;
    if (debug_has(DEBUG_VERIFY))
        memset((void *)end, RED, header_end(header) - end);
}

void debug_drawn(void *block, const struct header *header)
{
    fence(block, header);
    if (debug_has(DEBUG_POISON))
        memset(block, FRESH, header->asked);
}

void debug_shrinking(void *block, const struct header *header, const struct header *next)
{
    if (debug_has(DEBUG_VERIFY))
        verify(block, header, "when it was made smaller");
    fence(block, next);
}

void debug_freed(void *block, const struct header *header)
{
    if (debug_has(DEBUG_VERIFY))
        verify(block, header, "when it was freed");
    if (debug_has(DEBUG_POISON))
        memset(block, RELEASED, header->asked);
}

void debug_look_at(const void *first, const void *block, const struct header *header,
                   const char *when)
{
    if (block < first || (uintptr_t)block >= header_end(header) ||
        (uintptr_t)block % ALIGN_MIN != 0)
        fail("write into the header of the block at ", first, NULL, when);
    verify(block, header, when);
}

void debug_not_a_block(const struct thread *thread)
{
    if (debug_has(DEBUG_VERIFY))
        verify_chain(thread, 0, "when a pointer was freed that is no block");
}

static void start_log(struct text *line, const struct thread *thread, const struct frame *frame)
{
    text_message(line);
    text_str(line, "scope ");
    sites_describe(line, (size_t)(frame->stats - thread->sites));
    text_str(line, " ends at depth ");
    text_uint(line, thread->depth);
    text_str(line, " of arena ");
    text_uint(line, (uint64_t)thread->slot);
    text_str(line, ": ");
}

static void log_end(const struct thread *thread, const struct frame *frame)
{
    uint64_t blocks = 0, bytes = 0, kept = 0;
    for (uintptr_t block = thread->newest; block >= frame->start;) {
        struct header header = header_read((void *)block);
        blocks++;
        bytes += header.asked;
        kept += (header.end & BLOCK_FREED) == 0;
        block = header_previous((void *)block, &header);
    }
    struct text line;
    start_log(&line, thread, frame);
    text_uint(&line, blocks);
    text_str(&line, " blocks, ");
    text_uint(&line, bytes);
    text_str(&line, " bytes, ");
    text_uint(&line, kept);
    text_str(&line, " not freed");
    text_end(&line);
}

void debug_ending(const struct thread *thread, const struct frame *frame)
{
    if (debug_has(DEBUG_VERIFY))
        verify_chain(thread, frame->start, "at the end of its scope");
    if (debug_has(DEBUG_LOG))
        log_end(thread, frame);
}

void debug_retaining(const struct thread *thread, const struct frame *frame)
{
    if (!debug_has(DEBUG_LOG))
        return;
    struct text line;
    start_log(&line, thread, frame);
    text_uint(&line, frame->live > 0 ? (uint64_t)frame->live : 0);
    text_str(&line, " blocks survive, ");
    text_uint(&line, thread->heap.pages.used * PAGE_BYTES);
    text_str(&line, " bytes in use");
    text_end(&line);
}

/* Block by block: between them may lie what is inaccessible. */
static void poison_scope(const struct frame *frame, uintptr_t last)
{
    for (uintptr_t block = last; block >= frame->start;) {
        struct header header = header_read((void *)block);
        uintptr_t end = header_end(&header);
        if (end > block && end <= hot.cursor) /* nobody has written into the header */
            memset(header_of((void *)block), RELEASED, end - (uintptr_t)header_of((void *)block));
        block = header_previous((void *)block, &header);
    }
}

uintptr_t debug_ended(struct thread *thread, const struct frame *frame, uintptr_t last,
                      bool goes_round)
{
    if (debug_has(DEBUG_QUARANTINE) && last >= frame->start && has_room(thread, goes_round))
        put_away(thread, frame, last);
    else if (debug_has(DEBUG_POISON))
        poison_scope(frame, last);
    if (debug_has(DEBUG_QUARANTINE) && goes_round &&
        frame->start == block_base(thread->memory, fixed.config.align))
        say_too_small(thread);
    if (thread->depth == 1)
        thread->quarantine_end = 0; /* the next outermost scope starts behind it anyway */
    return frame->outer_cursor > thread->quarantine_end ? frame->outer_cursor
                                                        : thread->quarantine_end;
}

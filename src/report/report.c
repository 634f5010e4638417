#define ARENASHIM_BUILDING
#include <arenashim/scope.h>

#include "report/report.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/runtimes.h"
#include "base/text.h"
#include "memory/wiped.h"
#include "next/fixed.h"
#include "report/json.h"
#include "report/output.h"
#include "report/stats.h"
#include "settings/rank.h"
#include "thread/thread.h"

/* How many modules the text form names. */
#define MODULES_NAMED 5

/* Milliseconds that a thread which ends the process waits for another that reports. */
#define PATIENCE 1000
#define REPORTED (-1)

static bool enabled, begun;

/* Whether the object file holds the note of Go's linker. */
static bool has_go_note(const struct dl_phdr_info *object)
{
    static const char name[] = "Go\0";
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE)
            continue;
        uintptr_t at = object->dlpi_addr + segment->p_vaddr, end = at + segment->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) + sizeof name <= end) {
            const ElfW(Nhdr) *note = (const void *)at;
            if (note->n_namesz == sizeof name && memcmp(note + 1, name, sizeof name) == 0)
                return true;
            at += sizeof *note + round_up(note->n_namesz, 4) + round_up(note->n_descsz, 4);
        }
    }
    return false;
}

/* Of the program, which is the first: says so when its runtime leaves the process by a system call
 * of its own. */
static int say_no_exit(struct dl_phdr_info *program, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (has_go_note(program)) {
        struct text line;
        text_message(&line);
        text_str(&line,
                 "there will be no statistics unless this Go program ends by C._exit: its own "
                 "exit passes the C library by");
        text_end(&line);
    }
    return 1;
}

void report_enable(void)
{
    enabled = true;
    if (!fixed.config.stats_at_exit)
        return;
    output_note();
    dl_iterate_phdr(say_no_exit, NULL);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void padded(struct text *out, uint64_t number, int width)
{
    int digits = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        digits++;
    for (; digits < width; digits++)
        text_str(out, " ");
    text_uint(out, number);
}

static void row(struct text *out, const char *name, uint64_t number, const char *unit)
{
    text_str(out, "  ");
    text_str(out, name);
    for (size_t column = strlen(name); column < 24; column++)
        text_str(out, " ");
    padded(out, number, 14);
    text_str(out, unit);
    text_str(out, "\n");
}

static void text_modules(struct text *out, const struct stats *stats)
{
    const char *advised = NULL;
    uint64_t calls = UINT64_MAX;
    int named = 0;
    for (int i = -1; named < MODULES_NAMED && (i = stats_next_module(stats, calls, i)) >= 0;
         named++) {
        const char *name = modules_name(i);
        calls = stats->by_module[i];
        text_str(out, "      ");
        padded(out, calls, 14);
        text_str(out, "  ");
        text_name(out, name);
        text_str(out, "\n");
        if (!advised && !is_runtime(name))
            advised = name;
    }
    if (advised) {
        text_str(out, "      ARENASHIM_MODULES=+");
        text_name(out, advised);
        text_str(out, " would route those of that module\n");
    }
}

static void text_passed(struct text *out, const struct stats *stats)
{
    static const char none[] = "";
    row(out, "passed in scope", stats_passed(stats), " calls to the next allocator");
    if (stats->paused)
        row(out, "    paused", stats->paused, none);
    if (stats->interrupted)
        row(out, "    in signal handlers", stats->interrupted, none);
    if (stats->all_sites.fallbacks)
        row(out, "    overflow", stats->all_sites.fallbacks, none);
    if (stats->unknown)
        row(out, "    unknown caller", stats->unknown, none);
    if (stats->not_participating) {
        row(out, "    not participating", stats->not_participating, none);
        text_modules(out, stats);
    }
}

static void text_sites(struct text *out)
{
    text_str(out, "        scopes         calls          bytes     peak bytes  overflows"
                  "  live at end  site\n");
    for (size_t i = 0; i < sites_count(); i++) {
        struct site_stats sum;
        if (!stats_of_site(i, &sum))
            continue;
        const struct site *site = sites_at(i);
        padded(out, sum.scopes, 14);
        padded(out, sum.calls, 14);
        padded(out, sum.bytes, 15);
        padded(out, sum.peak, 15);
        padded(out, sum.overflows, 11);
        padded(out, sum.live_at_end, 13);
        text_str(out, "  ");
        text_name(out, *site->label ? site->label : "(no label)");
        if (*site->file) {
            text_str(out, " ");
            text_name(out, site->file);
            text_str(out, ":");
            text_uint(out, site->line);
        }
        text_str(out, "\n");
    }
}

static void plain(struct text *out, const struct stats *stats)
{
    text_str(out, "arenashim " PACKAGE_VERSION ": pid ");
    text_uint(out, (uint64_t)getpid());
    if (fixed.config.rank != RANK_NONE) {
        text_str(out, ", rank ");
        text_uint(out, (uint64_t)fixed.config.rank);
    }
    text_str(out, "\n");
    row(out, "threads", stats->threads, " with an arena");
    row(out, "scopes", stats->all_sites.scopes, "");
    row(out, "routed calls", stats_routed_calls(stats), "");
    row(out, "routed bytes", stats->all_sites.bytes, "");
    text_passed(out, stats);
    row(out, "freed in scope", stats->freed, " blocks");
    row(out, "ignored frees", stats->ignored_frees, " from other threads or after the scope");
    if (threads_retain) {
        row(out, "survivors", stats->all_sites.survivors, " blocks alive at the end of a scope");
        row(out, "pinned by them", stats->all_sites.pinned, " bytes at most");
        row(out, "late frees", stats->late_frees, " of such blocks");
    }
    row(out, "overflows", stats->all_sites.overflows, "");
    row(out, "largest arena", stats->high_water, " bytes");
    row(out, "capacity", fixed.config.capacity, " bytes");
    row(out, "recommended capacity", stats_recommended_capacity(stats), " bytes");
    row(out, "scopes left open", stats->left_open, "");
    if (stats->other_stacks > 0)
        row(out, "on other stacks", stats->other_stacks,
            " calls with reset, which opened no scope");
    row(out, "misuses", stats->misuses, "");
    text_sites(out);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Too much for the stack that a signal handler may have. */
struct report {
    struct stats stats;
    struct text out;
    char path[PATH_MAX];
};

/* Returns 0 or the errno of the write that failed. */
static int print(struct report *report, int fd, bool at_exit)
{
    stats_collect(&report->stats, at_exit);
    text_open(&report->out, fd);
    if (fixed.config.stats == STATS_JSON)
        report_json(&report->out, &report->stats, report->path);
    else
        plain(&report->out, &report->stats);
    text_flush(&report->out);
    return report->out.error;
}

void arenashim_stats_print(int fd)
{
    struct report report;
    print(&report, fd, false);
}

/* A process without a rank is in no list, which need not be what its user believes. */
static void say_no_rank(void)
{
    if (fixed.config.rank != RANK_NONE)
        return;
    struct text line;
    text_message(&line);
    text_str(&line,
             "no statistics are written: ARENASHIM_RANKS is set and this process has no rank; "
             "ARENASHIM_RANK can give it one");
    text_end(&line);
}

/* Not so in a child of vfork(2), which runs in its parent's memory. */
static bool is_own_memory(void)
{
    return wiped.process == 0 || wiped.process == getpid();
}

void report_begin(void)
{
    wiped.process = getpid();
    wiped.expected = false;
    wiped.reporter = 0;
    *wiped.unique = '\0';
    begun = true;
    if (hot.thread && hot.thread->depth > 0)
        report_scope();
}

void report_scope(void)
{
    if (begun && !wiped.expected && wiped.reporter == 0)
        report_expect(true);
}

void report_expect(bool expected)
{
    if (!fixed.config.attended || !fixed.config.rank_listed || !is_own_memory() ||
        __atomic_exchange_n(&wiped.expected, expected, __ATOMIC_RELAXED) == expected)
        return;
    int saved_errno = errno;
    output_announce(expected);
    errno = saved_errno;
}

/* Whether nobody has reported yet. The caller ends the process: it waits for another thread that is
 * about to. */
static bool may_report(void)
{
    pid_t self = (pid_t)syscall(SYS_gettid), reporter = 0;
    if (__atomic_compare_exchange_n(&wiped.reporter, &reporter, self, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return true;
    for (int waited = 0; waited < PATIENCE && reporter > 0 && reporter != self; waited++) {
        poll(NULL, 0, 1);
        reporter = __atomic_load_n(&wiped.reporter, __ATOMIC_RELAXED);
    }
    return false;
}

static void report_now(bool past)
{
    static struct report report;
    static struct output output;
    if (!fixed.config.rank_listed) {
        say_no_rank();
        return;
    }
    output_open(&output, !past);
    if (output.fd >= 0 && output.error == 0)
        output.error = print(&report, output.fd, true);
    output_close(&output);
}

void report_at_exit(bool past)
{
    if (!enabled || !fixed.config.stats_at_exit || (past && !begun) || !is_own_memory())
        return;
    int saved_errno = errno, cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (may_report()) {
        report_now(past);
        __atomic_store_n(&wiped.reporter, REPORTED, __ATOMIC_RELAXED);
    }
    pthread_setcancelstate(cancel, NULL);
    errno = saved_errno;
}

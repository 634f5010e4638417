#define ARENASHIM_BUILDING
#include <arenashim/scope.h>

#include "report/report.h"

#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "base/runtimes.h"
#include "base/text.h"
#include "engine/looks.h"
#include "engine/trace.h"
#include "next/fixed.h"
#include "report/output.h"
#include "report/stats.h"
#include "settings/rank.h"

/* Goes up where a reader of an older format would misunderstand the JSON. 1 had no number. */
#define JSON_FORMAT 2

/* How many modules the text form names. */
#define MODULES_NAMED 5

static bool enabled;

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
                 "there will be no statistics: a Go program ends without the C library's exit");
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

/* ---- JSON ------------------------------------------------------------------------------------ */

static void member(struct text *out, const char *separator, const char *key, uint64_t value)
{
    text_str(out, separator);
    text_str(out, "\"");
    text_str(out, key);
    text_str(out, "\": ");
    text_uint(out, value);
}

static void string_member(struct text *out, const char *separator, const char *key,
                          const char *value)
{
    text_str(out, separator);
    text_str(out, "\"");
    text_str(out, key);
    text_str(out, "\": \"");
    text_json(out, value);
    text_str(out, "\"");
}

static void json_passed(struct text *out, const struct stats *stats)
{
    text_str(out, ",\n  \"passed_in_scope\": {\n");
    member(out, "    ", "total", stats_passed(stats));
    member(out, ",\n    ", "paused", stats->paused);
    member(out, ",\n    ", "interrupted", stats->interrupted);
    member(out, ",\n    ", "overflow", stats->all_sites.fallbacks);
    member(out, ",\n    ", "unknown_caller", stats->unknown);
    member(out, ",\n    ", "not_participating", stats->not_participating);
    text_str(out, ",\n    \"modules\": [");
    const char *separator = "\n";
    uint64_t calls = UINT64_MAX;
    for (int i = -1; (i = stats_next_module(stats, calls, i)) >= 0; separator = ",\n") {
        calls = stats->by_module[i];
        text_str(out, separator);
        string_member(out, "      {", "name", modules_name(i));
        member(out, ", ", "calls", calls);
        text_str(out, "}");
    }
    text_str(out, "\n    ]\n  }");
}

static void json_site(struct text *out, const char *separator, const struct site *site)
{
    string_member(out, separator, "label", site->label);
    string_member(out, ", ", "file", site->file);
    member(out, ", ", "line", site->line);
}

/* Up to the largest that there is. */
static void json_sizes(struct text *out, size_t site)
{
    const char *separator = "";
    uint64_t rest = 0;
    for (unsigned i = 0; i < LOOKS_SIZES; i++)
        rest += stats_of_size(site, i);
    text_str(out, ",\n     \"histogram\": [");
    for (unsigned i = 0; i < LOOKS_SIZES && rest > 0; i++, separator = ", ") {
        uint64_t scopes = stats_of_size(site, i);
        rest -= scopes < rest ? scopes : rest; /* other threads go on */
        text_str(out, separator);
        text_uint(out, scopes);
    }
    text_str(out, "]");
}

static void json_caller(struct text *out, const char *separator, const struct trace_caller *caller,
                        const char *module, uint64_t offset)
{
    string_member(out, separator, "module", module);
    member(out, ", ", "offset", offset);
    member(out, ", ", "blocks", caller->blocks);
    member(out, ", ", "bytes", caller->bytes);
    text_str(out, "}");
}

/* Those of the site, and of sites equal to it. */
static void json_callers(struct text *out, size_t site)
{
    const char *separator = "\n      {";
    text_str(out, ",\n     \"callers\": [");
    for (unsigned i = 0; i < TRACE_CALLERS; i++) {
        struct trace_caller caller = trace_caller(i);
        char module[PATH_MAX];
        uintptr_t offset;
        if (caller.key == 0 || !sites_equal(sites_at(trace_site(&caller)), sites_at(site)) ||
            !modules_file(trace_address(&caller), caller.path, module, &offset))
            continue;
        json_caller(out, separator, &caller, module, offset);
        separator = ",\n      {";
    }
    text_str(out, "]");
}

static void json_nesting(struct text *out)
{
    const char *separator = "\n";
    text_str(out, ",\n  \"nesting\": [");
    for (uint32_t i = 1; i < LOOKS_NODES; i++) {
        struct look_node node = looks_node(i);
        if (node.key == 0)
            continue;
        text_str(out, separator);
        separator = ",\n";
        member(out, "    {", "node", i);
        member(out, ", ", "in", node.key >> 32);
        json_site(out, ", ", sites_at((uint32_t)node.key - 1));
        member(out, ", ", "scopes", node.scopes);
        text_str(out, "}");
    }
    text_str(out, "\n  ]");
}

static void json_sites(struct text *out)
{
    text_str(out, ",\n  \"sites\": [");
    const char *separator = "\n";
    for (size_t i = 0; i < sites_count(); i++) {
        struct site_stats sum;
        if (!stats_of_site(i, &sum))
            continue;
        text_str(out, separator);
        separator = ",\n";
        json_site(out, "    {", sites_at(i));
        member(out, ",\n     ", "scopes", sum.scopes);
        member(out, ", ", "routed_calls", sum.calls);
        member(out, ", ", "routed_bytes", sum.bytes);
        member(out, ", ", "peak_bytes", sum.peak);
        member(out, ", ", "passed", sum.passed + sum.fallbacks);
        member(out, ",\n     ", "overflows", sum.overflows);
        member(out, ", ", "fallbacks", sum.fallbacks);
        member(out, ", ", "live_at_end", sum.live_at_end);
        member(out, ",\n     ", "survivors", sum.survivors);
        member(out, ", ", "left_open", sum.left_open);
        member(out, ", ", "bytes_pinned", sum.pinned);
        json_sizes(out, i);
        json_callers(out, i);
        text_str(out, "}");
    }
    text_str(out, "\n  ]");
}

static void json(struct text *out, const struct stats *stats)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof host - 1);
    member(out, "{\n  ", "format", JSON_FORMAT);
    string_member(out, ",\n  ", "version", PACKAGE_VERSION);
    string_member(out, ",\n  ", "host", host);
    string_member(out, ",\n  ", "program", program_invocation_short_name);
    member(out, ",\n  ", "pid", (uint64_t)getpid());
    if (fixed.config.rank != RANK_NONE) {
        char digits[TEXT_NUMBER_SIZE];
        text_decimal(digits, (uint64_t)fixed.config.rank);
        string_member(out, ",\n  ", "rank", digits);
    }
    member(out, ",\n  ", "threads", stats->threads);
    member(out, ",\n  ", "scopes", stats->all_sites.scopes);
    member(out, ",\n  ", "routed_calls", stats_routed_calls(stats));
    member(out, ",\n  ", "routed_bytes", stats->all_sites.bytes);
    json_passed(out, stats);
    member(out, ",\n  ", "freed_in_scope", stats->freed);
    member(out, ",\n  ", "ignored_frees", stats->ignored_frees);
    member(out, ",\n  ", "late_frees", stats->late_frees);
    member(out, ",\n  ", "overflows", stats->all_sites.overflows);
    member(out, ",\n  ", "fallbacks", stats->all_sites.fallbacks);
    member(out, ",\n  ", "capacity_bytes", fixed.config.capacity);
    member(out, ",\n  ", "high_water_bytes", stats->high_water);
    member(out, ",\n  ", "recommended_capacity_bytes", stats_recommended_capacity(stats));
    member(out, ",\n  ", "left_open", stats->left_open);
    member(out, ",\n  ", "other_stacks", stats->other_stacks);
    member(out, ",\n  ", "misuses", stats->misuses);
    json_sites(out);
    json_nesting(out);
    text_str(out, "\n}\n");
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
    if (fixed.retains) {
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

/* Returns 0 or the errno of the write that failed. */
static int print(int fd, bool at_exit)
{
    struct stats stats;
    struct text out;
    stats_collect(&stats, at_exit);
    text_open(&out, fd);
    if (fixed.config.stats == STATS_JSON)
        json(&out, &stats);
    else
        plain(&out, &stats);
    text_flush(&out);
    return out.error;
}

void arenashim_stats_print(int fd)
{
    print(fd, false);
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

void report_at_exit(void)
{
    if (!enabled || !fixed.config.stats_at_exit)
        return;
    if (!fixed.config.rank_listed) {
        say_no_rank();
        return;
    }
    int saved_errno = errno, cancel;
    struct output output;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    output_open(&output);
    if (output.fd >= 0 && output.error == 0)
        output.error = print(output.fd, true);
    output_close(&output);
    pthread_setcancelstate(cancel, NULL);
    errno = saved_errno;
}

#include "reader/page.h"

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "reader/commands.h"
#include "reader/html.h"
#include "reader/members.h"
#include "reader/pictures.h"
#include "reader/sites.h"
#include "reader/statistics.h"
#include "reader/whole.h"

/* So many rows: the page stays below 200 KB for 500 sites. */
#define SITES_MOST 500
#define ROWS_MOST 50
#define NODES_MOST 60
#define PROCESSES_MOST 100
#define SIZES_MOST 300 /* lines with the numbers of bars */

/* page_texts.S */
extern const char page_css[] __attribute__((visibility("hidden")));
extern const char page_js[] __attribute__((visibility("hidden")));

/* ---- figures --------------------------------------------------------------------------------- */

/* A table of two columns; those that are 0 and not `all` are left out. */
static void figures(FILE *file, const json_t *object, const char *id, const struct figure *list,
                    size_t count, bool all)
{
    static const char *const headings[] = {"", "Number"};
    html_table(file, id, headings, COUNT(headings));
    for (size_t i = 0; i < count; i++)
        if (all || number_of(object, list[i].key) > 0) {
            fprintf(file, "<tr id=%s-%s><td class=l>%s", id, list[i].key, list[i].name);
            html_cell(file, number_of(object, list[i].key));
            fputs("\n", file);
        }
    html_table_end(file);
}

/* What a table has not. */
static void further(FILE *file, size_t count)
{
    if (count > 0)
        fprintf(file, "<p>%zu further ones: arenashim report --json</p>\n", count);
}

/* The sites whose number under the first key is not 0, if there are any, the highest first. */
static void sites_with(FILE *file, const json_t *sum, const char *id, const struct figure *list,
                       size_t count)
{
    const char *headings[4] = {"Site"};
    json_t *sites = json_copy(list_of(sum, "sites")), *site;
    size_t rows = 0, i, k;
    for (k = 0; k < count; k++)
        headings[1 + k] = list[k].name;
    sort_by(sites, list[0].key);
    json_array_foreach(sites, i, site) {
        if (number_of(site, list[0].key) == 0 || rows++ >= ROWS_MOST)
            continue;
        if (rows == 1)
            html_table(file, id, headings, 1 + count);
        char *name = site_name(site);
        fputs("<tr>", file);
        html_text_cell(file, name);
        for (k = 0; k < count; k++)
            html_cell(file, number_of(site, list[k].key));
        fputs("\n", file);
        free(name);
    }
    if (rows > 0)
        html_table_end(file);
    further(file, rows > ROWS_MOST ? rows - ROWS_MOST : 0);
    json_decref(sites);
}

/* ---- did the scopes pay? --------------------------------------------------------------------- */

static void write_pay(const json_t *sum, FILE *file)
{
    static const struct figure top[] = {{"scopes", "scopes"},
                                        {"threads with an arena", "threads"},
                                        {"routed calls", "routed_calls"},
                                        {"routed bytes", "routed_bytes"},
                                        {"calls in scopes passed on", "passed"},
                                        {"blocks freed in their scope", "freed_in_scope"}};
    static const struct figure why[] = {
        {"the scope was paused", "paused"},
        {"in a signal handler that interrupted the shim", "interrupted"},
        {"overflow", "overflow"},
        {"the caller is generated code", "unknown_caller"},
        {"the caller's module takes no part", "not_participating"}};
    static const char *const headings[] = {"Module that takes no part", "Calls"};
    const json_t *passed = json_object_get(sum, "passed_in_scope");
    uint64_t calls = statistics_calls(sum);
    json_t *module;
    size_t i;
    html_heading(file, "Did the scopes pay?",
                 "Calls that were made in scopes, and who served them.");
    fprintf(file, "<p><b id=share>%.1f %%</b> of them were served from arenas.</p>\n",
            calls > 0 ? 100 * (double)number_of(sum, "routed_calls") / (double)calls : 0);
    figures(file, sum, "top", top, COUNT(top), true);
    if (number_of(sum, "passed") == 0)
        return;
    fputs("<p>Why calls were passed on to the next allocator:</p>\n", file);
    figures(file, passed, "why", why, COUNT(why), false);
    if (json_array_size(list_of(passed, "modules")) == 0)
        return;
    html_table(file, "modules", headings, COUNT(headings));
    json_array_foreach(list_of(passed, "modules"), i, module) {
        if (i == ROWS_MOST)
            break;
        fputs("<tr>", file);
        html_text_cell(file, text_of(module, "name"));
        html_cell(file, number_of(module, "calls"));
        fputs("\n", file);
    }
    html_table_end(file);
    further(file, json_array_size(list_of(passed, "modules")) - i);
}

/* ---- capacity, what is alive, what is wrong -------------------------------------------------- */

static void write_capacity(const json_t *sum, FILE *file)
{
    static const struct figure top[] = {
        {"requests that did not fit", "overflows"},
        {"largest arena, bytes", "high_water_bytes"},
        {"capacity, bytes", "capacity_bytes"},
        {"recommended capacity, bytes", "recommended_capacity_bytes"}};
    static const struct figure of_sites[] = {{"Overflows", "overflows"},
                                             {"Served elsewhere", "fallbacks"},
                                             {"Peak bytes", "peak_bytes"}};
    html_heading(file, "Which need a larger capacity?",
                 "Overflows are requests that did not fit in what was left of the capacity.");
    figures(file, sum, "capacity", top, COUNT(top), true);
    sites_with(file, sum, "overflowing", of_sites, COUNT(of_sites));
}

/* The callers of all sites, each with its site's name, most blocks first. */
static json_t *all_callers(const json_t *sum)
{
    json_t *all = json_array(), *site, *caller;
    size_t i, k;
    json_array_foreach(list_of(sum, "sites"), i, site) {
        char *name = site_name(site);
        json_array_foreach(list_of(site, "callers"), k, caller)
            json_object_set_new(appended(all, json_copy(caller)), "site", json_string(name));
        free(name);
    }
    sort_by(all, "blocks");
    return all;
}

static void write_callers(const json_t *sum, FILE *file)
{
    static const char *const headings[] = {"Site", "Blocks", "Bytes", "Function", "Where"};
    json_t *all = all_callers(sum), *caller;
    size_t i;
    if (json_array_size(all) > 0)
        html_table(file, "callers", headings, COUNT(headings));
    json_array_foreach(all, i, caller) {
        if (i == ROWS_MOST)
            break;
        const char *source = text_of(caller, "file");
        fputs("<tr>", file);
        html_text_cell(file, text_of(caller, "site"));
        html_cell(file, number_of(caller, "blocks"));
        html_cell(file, number_of(caller, "bytes"));
        html_text_cell(file, text_of(caller, "function"));
        html_text_cell(file, *source == '\0' ? text_of(caller, "module") : source);
        if (*source != '\0')
            fprintf(file, ":%" PRIu64, number_of(caller, "line"));
        fputs("\n", file);
    }
    if (json_array_size(all) > 0)
        html_table_end(file);
    further(file, json_array_size(all) - i);
    json_decref(all);
}

static void write_alive(const json_t *sum, FILE *file)
{
    static const struct figure top[] = {
        {"blocks alive that a scope dropped", "live_at_end"},
        {"blocks that survived a scope which retains", "survivors"}};
    html_heading(
        file, "What is alive at the end?",
        "The calls that drew such blocks, from a sample of scopes; counts are of the sample.");
    figures(file, sum, "alive", top, COUNT(top), true);
    write_callers(sum, file);
}

static void write_wrong(const json_t *sum, FILE *file)
{
    static const struct figure top[] = {
        {"scopes left open", "left_open"},
        {"misuses of marks", "misuses"},
        {"frees of dropped blocks, too late or elsewhere", "ignored_frees"},
        {"frees of survivors", "late_frees"}};
    static const struct figure of_sites[] = {{"Left open", "left_open"}, {"Scopes", "scopes"}};
    html_heading(file, "What was left open, or misused?",
                 "Scopes that were not ended by their own end.");
    figures(file, sum, "wrong", top, COUNT(top), true);
    sites_with(file, sum, "left", of_sites, COUNT(of_sites));
}

/* ---- nesting, sites -------------------------------------------------------------------------- */

static void write_nesting(const json_t *sum, FILE *file)
{
    static const char *const headings[] = {"Site", "In", "Scopes", "Bytes"};
    const json_t *nodes = list_of(sum, "nesting");
    json_t *node;
    size_t i;
    html_heading(
        file, "Which scopes are in which?",
        "As wide as the bytes drawn there and in the scopes inside. From a sample of scopes "
        "that drew something.");
    picture_icicle(nodes, file);
    fputs("<details><summary>As a table</summary>\n", file);
    html_table(file, "nesting", headings, COUNT(headings));
    json_array_foreach(nodes, i, node) {
        if (i == NODES_MOST)
            break;
        const json_t *around = json_array_get(nodes, number_of(node, "in") - 1);
        char *name = site_name(node), *outer = around ? site_name(around) : NULL;
        fputs("<tr>", file);
        html_text_cell(file, name);
        html_text_cell(file, outer ? outer : "");
        html_cell(file, number_of(node, "scopes"));
        html_cell(file, number_of(node, "bytes"));
        fputs("\n", file);
        free(outer);
        free(name);
    }
    html_table_end(file);
    further(file, json_array_size(nodes) - i);
    fputs("</details>\n", file);
}

/* The numbers of the bars; returns how many. */
static size_t write_sizes(const json_t *site, FILE *file)
{
    json_t *scopes;
    size_t i, lines = 0;
    json_array_foreach(list_of(site, "histogram"), i, scopes) {
        if (count_of(scopes) == 0)
            continue;
        html_number(file, UINT64_C(1) << i);
        fputs("+: ", file);
        html_number(file, count_of(scopes));
        fputs("<br>", file);
        lines++;
    }
    return lines;
}

static void write_site(const json_t *site, size_t *lines, FILE *file)
{
    static const char *const keys[] = {"scopes",    "routed_calls", "routed_bytes", "peak_bytes",
                                       "overflows", "live_at_end",  "survivors"};
    int half = site_quantile(site, 0.5);
    bool detailed = half >= 0 && *lines < SIZES_MOST;
    char *name = site_name(site);
    fputs("<tr>", file);
    html_text_cell(file, name);
    for (size_t i = 0; i < COUNT(keys); i++)
        html_cell(file, number_of(site, keys[i]));
    html_cell(file, half < 0 ? 0 : UINT64_C(1) << half);
    fputs(detailed ? "<td class=l><details><summary>" : "<td class=l>", file);
    picture_bars(site, file);
    if (detailed) {
        fputs("</summary>", file);
        *lines += write_sizes(site, file);
        fputs("</details>", file);
    }
    fputs("\n", file);
    free(name);
}

static void write_sites(const json_t *sum, FILE *file)
{
    static const char *const headings[] = {
        "Site",      "Scopes",        "Calls",     "Bytes",        "Peak bytes",
        "Overflows", "Dropped alive", "Survivors", "Half came to", "Bytes per scope"};
    json_t *site;
    size_t i, lines = 0;
    html_heading(
        file, "Sites",
        "The last two columns: to how many bytes, at least, half of the scopes came that drew "
        "something, and how many of a sample came to each power of two, or, with many, to some of "
        "them. The first rows open to the numbers.");
    html_table(file, "sites", headings, COUNT(headings));
    json_array_foreach(list_of(sum, "sites"), i, site) {
        if (i == SITES_MOST)
            break;
        write_site(site, &lines, file);
    }
    html_table_end(file);
    further(file, json_array_size(list_of(sum, "sites")) - i);
}

/* ---- processes, commands --------------------------------------------------------------------- */

static void write_processes(const json_t *sum, FILE *file)
{
    static const char *const headings[] = {"Rank",  "Host",  "Program",   "Process",      "Scopes",
                                           "Calls", "Bytes", "Passed on", "Largest arena"};
    static const char *const keys[] = {"scopes", "routed_calls", "routed_bytes", "passed",
                                       "high_water_bytes"};
    const json_t *processes = list_of(sum, "processes");
    json_t *process;
    size_t i, rows = 0;
    html_heading(file, "Processes", "Marked: what differs from most processes.");
    picture_strip(processes, "routed_bytes", "routed bytes", file);
    picture_strip(processes, "high_water_bytes", "largest arena", file);
    html_table(file, "processes", headings, COUNT(headings));
    json_array_foreach(processes, i, process) {
        bool out = json_array_size(list_of(process, "outliers")) > 0;
        if (rows >= (out ? 2 * PROCESSES_MOST : PROCESSES_MOST))
            continue;
        rows++;
        fputs("<tr>", file);
        html_text_cell(file, text_of(process, "rank"));
        html_text_cell(file, text_of(process, "host"));
        html_text_cell(file, text_of(process, "program"));
        fprintf(file, "<td>%" PRIu64, number_of(process, "pid"));
        for (size_t k = 0; k < COUNT(keys); k++) {
            fputs(process_is_outlier(process, keys[k]) ? "<td class=out>" : "<td>", file);
            html_number(file, number_of(process, keys[k]));
        }
        fputs("\n", file);
    }
    html_table_end(file);
    further(file, json_array_size(processes) - rows);
}

static void write_commands(const json_t *sum, FILE *file)
{
    json_t *command;
    size_t i;
    html_heading(file, "What to run next", "");
    json_array_foreach(list_of(sum, "commands"), i, command) {
        fputs("<p>", file);
        html_text(file, text_of(command, "why"), 0);
        fputs(":</p>\n<pre>", file);
        html_text(file, text_of(command, "command"), 0);
        fputs("</pre>\n", file);
    }
}

static void write_page(const json_t *sum, FILE *file)
{
    const json_t *processes = list_of(sum, "processes");
    fprintf(file,
            "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
            "<meta name=viewport content=\"width=device-width\"><link rel=icon href=\"data:,\">\n"
            "<title>arenashim report</title>\n<style>\n%s</style></head><body>\n"
            "<h1>arenashim report</h1>\n<p>",
            page_css);
    html_text(file, text_of(commands_process(sum), "program"), 0);
    fprintf(file, ": %zu process%s</p>\n", json_array_size(processes),
            json_array_size(processes) == 1 ? "" : "es");
    write_pay(sum, file);
    write_capacity(sum, file);
    write_alive(sum, file);
    write_wrong(sum, file);
    write_nesting(sum, file);
    write_sites(sum, file);
    write_processes(sum, file);
    write_commands(sum, file);
    fprintf(file, "<script>\n%s</script></body></html>\n", page_js);
}

bool page_write(const json_t *sum, const char *name)
{
    struct whole file;
    bool written = whole_open(&file, name);
    if (written) {
        write_page(sum, file.stream);
        written = whole_close(&file);
    }
    if (!written)
        warn("'%s' cannot be written", name);
    return written;
}

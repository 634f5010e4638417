#include "reader/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "reader/members.h"
#include "reader/sites.h"
#include "reader/statistics.h"

static void row(FILE *file, const char *name, uint64_t number, const char *unit)
{
    fprintf(file, "  %-24s%16" PRIu64 "%s\n", name, number, unit);
}

static void print_passed(const json_t *sum, FILE *file)
{
    static const struct figure reasons[] = {{"    paused", "paused"},
                                            {"    in signal handlers", "interrupted"},
                                            {"    overflow", "overflow"},
                                            {"    unknown caller", "unknown_caller"},
                                            {"    not participating", "not_participating"}};
    const json_t *passed = json_object_get(sum, "passed_in_scope");
    json_t *module;
    size_t i;
    for (i = 0; i < COUNT(reasons); i++)
        if (number_of(passed, reasons[i].key) > 0)
            row(file, reasons[i].name, number_of(passed, reasons[i].key), "");
    json_array_foreach(list_of(passed, "modules"), i, module)
        fprintf(file, "      %20" PRIu64 "  %s\n", number_of(module, "calls"),
                text_of(module, "name"));
}

static void print_pay(const json_t *sum, FILE *file)
{
    uint64_t calls = statistics_calls(sum);
    fputs("\nDid the scopes pay?\n", file);
    row(file, "scopes", number_of(sum, "scopes"), "");
    fprintf(file, "  %-24s%16" PRIu64 ", %.1f %% of those made in scopes\n", "routed calls",
            number_of(sum, "routed_calls"),
            calls > 0 ? 100 * (double)number_of(sum, "routed_calls") / (double)calls : 0);
    row(file, "routed bytes", number_of(sum, "routed_bytes"), "");
    row(file, "passed in scope", number_of(sum, "passed"), " calls to the next allocator");
    print_passed(sum, file);
}

static void print_capacity(const json_t *sum, FILE *file)
{
    fputs("\nWhich need a larger capacity?\n", file);
    row(file, "overflows", number_of(sum, "overflows"), "");
    row(file, "largest arena", number_of(sum, "high_water_bytes"), " bytes");
    row(file, "capacity", number_of(sum, "capacity_bytes"), " bytes");
    row(file, "recommended capacity", number_of(sum, "recommended_capacity_bytes"), " bytes");
}

/* A site and what there is of it, if there is anything. */
static void print_count(FILE *file, uint64_t count, const json_t *site)
{
    char *name = count > 0 ? site_name(site) : NULL;
    if (name)
        fprintf(file, "  %16" PRIu64 "  %s\n", count, name);
    free(name);
}

static void print_callers(const json_t *site, FILE *file)
{
    json_t *caller;
    size_t i;
    json_array_foreach(list_of(site, "callers"), i, caller) {
        fprintf(file, "    %14" PRIu64 "  %s", number_of(caller, "blocks"),
                text_of(caller, "function"));
        if (*text_of(caller, "file") != '\0')
            fprintf(file, " (%s:%" PRIu64 ")\n", text_of(caller, "file"),
                    number_of(caller, "line"));
        else
            fprintf(file, " (%s)\n", text_of(caller, "module"));
    }
}

static void print_alive(const json_t *sum, FILE *file)
{
    json_t *site;
    size_t i;
    fputs("\nWhat is alive at the end of scopes, and which calls drew it, from a sample?\n", file);
    row(file, "dropped alive", number_of(sum, "live_at_end"), " blocks");
    row(file, "survivors", number_of(sum, "survivors"), " blocks");
    json_array_foreach(list_of(sum, "sites"), i, site) {
        print_count(file, number_of(site, "live_at_end") + number_of(site, "survivors"), site);
        print_callers(site, file);
    }
}

static void print_wrong(const json_t *sum, FILE *file)
{
    json_t *site;
    size_t i;
    fputs("\nWhat was left open, and misused?\n", file);
    row(file, "scopes left open", number_of(sum, "left_open"), "");
    json_array_foreach(list_of(sum, "sites"), i, site)
        print_count(file, number_of(site, "left_open"), site);
    row(file, "misuses", number_of(sum, "misuses"), "");
    row(file, "ignored frees", number_of(sum, "ignored_frees"),
        " from other threads or after the scope");
    row(file, "late frees", number_of(sum, "late_frees"), " of survivors");
}

/* The nodes in one, and what is in them. */
static void print_nodes(const json_t *nodes, uint64_t around, int depth, FILE *file)
{
    json_t *node;
    size_t i;
    json_array_foreach(nodes, i, node) {
        if (number_of(node, "in") != around)
            continue;
        char *name = site_name(node);
        fprintf(file, "  %16" PRIu64 "%16" PRIu64 "  %*s%s\n", number_of(node, "scopes"),
                number_of(node, "bytes"), 2 * depth, "", name);
        free(name);
        print_nodes(nodes, number_of(node, "node"), depth + 1, file);
    }
}

static void print_sites(const json_t *sum, FILE *file)
{
    json_t *site;
    size_t i;
    fputs("\nSites (half: as many bytes or more came to by half of the scopes that drew)\n"
          "          scopes         calls          bytes     peak bytes  overflows  live at end"
          "  survivors         half  site\n",
          file);
    json_array_foreach(list_of(sum, "sites"), i, site) {
        int half = site_quantile(site, 0.5);
        char *name = site_name(site);
        fprintf(file,
                "%16" PRIu64 "%14" PRIu64 "%15" PRIu64 "%15" PRIu64 "%11" PRIu64 "%13" PRIu64
                "%11" PRIu64 "%13" PRIu64 "  %s\n",
                number_of(site, "scopes"), number_of(site, "routed_calls"),
                number_of(site, "routed_bytes"), number_of(site, "peak_bytes"),
                number_of(site, "overflows"), number_of(site, "live_at_end"),
                number_of(site, "survivors"), half < 0 ? 0 : UINT64_C(1) << half, name);
        free(name);
    }
}

/* Least, mean and most over the processes. */
static void print_spread(const json_t *processes, const char *name, const char *key, FILE *file)
{
    uint64_t least = UINT64_MAX, most = 0;
    double sum = 0;
    json_t *process;
    size_t i;
    json_array_foreach(processes, i, process) {
        uint64_t number = number_of(process, key);
        sum += (double)number;
        least = number < least ? number : least;
        most = number > most ? number : most;
    }
    fprintf(file, "  %-24s%16" PRIu64 "%16.0f%16" PRIu64 "\n", name, least,
            floor(sum / (double)json_array_size(processes)), most);
}

static void print_outliers(const json_t *process, FILE *file)
{
    json_t *key;
    size_t i;
    json_array_foreach(list_of(process, "outliers"), i, key)
        fprintf(file, "%s%s", i == 0 ? "  <- " : ", ", json_string_value(key));
    fputs("\n", file);
}

static void print_processes(const json_t *processes, FILE *file)
{
    json_t *process;
    size_t i;
    fprintf(file, "\nProcesses\n  %-24s%16s%16s%16s\n", "", "least", "mean", "most");
    print_spread(processes, "routed calls", "routed_calls", file);
    print_spread(processes, "routed bytes", "routed_bytes", file);
    print_spread(processes, "passed in scope", "passed", file);
    print_spread(processes, "largest arena", "high_water_bytes", file);
    fputs("    rank           calls           bytes          passed   largest arena  process\n",
          file);
    json_array_foreach(processes, i, process) {
        const char *rank = text_of(process, "rank");
        fprintf(file,
                "%8s%16" PRIu64 "%16" PRIu64 "%16" PRIu64 "%16" PRIu64 "  %s %" PRIu64 " on %s",
                *rank == '\0' ? "-" : rank, number_of(process, "routed_calls"),
                number_of(process, "routed_bytes"), number_of(process, "passed"),
                number_of(process, "high_water_bytes"), text_of(process, "program"),
                number_of(process, "pid"), text_of(process, "host"));
        print_outliers(process, file);
    }
}

void text_report(const json_t *sum, FILE *file)
{
    const json_t *processes = list_of(sum, "processes"), *nodes = list_of(sum, "nesting");
    json_t *command;
    size_t i;
    fprintf(file, "arenashim: %zu process%s, %" PRIu64 " thread%s with an arena\n",
            json_array_size(processes), json_array_size(processes) == 1 ? "" : "es",
            number_of(sum, "threads"), number_of(sum, "threads") == 1 ? "" : "s");
    print_pay(sum, file);
    print_capacity(sum, file);
    print_alive(sum, file);
    print_wrong(sum, file);
    if (json_array_size(nodes) > 0)
        fputs("\nNesting, by a sample of scopes that drew something\n"
              "            scopes           bytes  site\n",
              file);
    print_nodes(nodes, 0, 0, file);
    print_sites(sum, file);
    if (json_array_size(processes) > 1)
        print_processes(processes, file);
    fputs("\nWhat to run next\n", file);
    json_array_foreach(list_of(sum, "commands"), i, command)
        fprintf(file, "  %s\n      # %s\n", text_of(command, "command"), text_of(command, "why"));
}

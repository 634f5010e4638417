#include "reader/statistics.h"

#include <dirent.h>
#include <err.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "base/printable.h"
#include "reader/commands.h"
#include "reader/members.h"
#include "reader/regular.h"
#include "reader/sites.h"

/* How often a value must lie farther from the median than values do as a rule, and by which part of
 * it at least, to be an outlier; among so many. */
#define OUTLIER_DEVIATIONS 3
#define OUTLIER_PART 0.1
#define OUTLIERS_AMONG 4
#define NORMAL_DEVIATION 1.4826 /* of a normal distribution, in median absolute deviations */

static const char *const added[] = {"threads",       "scopes",     "routed_calls", "routed_bytes",
                                    "passed",        "overflows",  "fallbacks",    "freed_in_scope",
                                    "ignored_frees", "late_frees", "live_at_end",  "survivors",
                                    "left_open",     "misuses",    "other_stacks"};
static const char *const highest[] = {"capacity_bytes", "high_water_bytes",
                                      "recommended_capacity_bytes"};
static const char *const reasons[] = {"total",    "paused",         "interrupted",
                                      "overflow", "unknown_caller", "not_participating"};
static const char *const compared[] = {"scopes", "routed_calls", "routed_bytes", "passed",
                                       "high_water_bytes"};

uint64_t statistics_calls(const json_t *object)
{
    return number_of(object, "routed_calls") + number_of(object, "passed");
}

/* ---- processes ------------------------------------------------------------------------------- */

static void add_passed(json_t *sum, const json_t *file)
{
    json_t *passed = json_object_get(sum, "passed_in_scope"), *module, *other = NULL;
    const json_t *of_file = json_object_get(file, "passed_in_scope");
    static const char *const counts[] = {"calls"};
    size_t i, k;
    add_members(passed, of_file, reasons, COUNT(reasons));
    json_array_foreach(list_of(of_file, "modules"), i, module) {
        json_t *modules = list_of(passed, "modules");
        json_array_foreach(modules, k, other)
            if (strcmp(text_of(other, "name"), text_of(module, "name")) == 0)
                break;
        if (k == json_array_size(modules))
            other = appended(modules, json_pack("{s:s}", "name", text_of(module, "name")));
        add_members(other, module, counts, 1);
    }
}

/* The figures of one process, without its sites. */
static void add_process(json_t *sum, const json_t *file)
{
    static const char *const names[] = {"host", "rank", "program", "executable", "settings"};
    json_t *process = appended(list_of(sum, "processes"), json_object());
    for (size_t i = 0; i < COUNT(names); i++)
        if (json_object_get(file, names[i]))
            json_object_set(process, names[i], json_object_get(file, names[i]));
    set_number(process, "pid", number_of(file, "pid"));
    add_members(process, file, added, COUNT(added));
    raise_members(process, file, highest, COUNT(highest));
}

/* What a process has by site, or in lists, as a figure of its own. */
static void enter_sums(json_t *file)
{
    json_t *site;
    size_t i;
    static const char *const of_sites[] = {"live_at_end", "survivors"};
    set_number(file, "passed", number_of(json_object_get(file, "passed_in_scope"), "total"));
    for (i = 0; i < COUNT(of_sites); i++)
        json_object_del(file, of_sites[i]);
    json_array_foreach(list_of(file, "sites"), i, site)
        add_members(file, site, of_sites, COUNT(of_sites));
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Labels, names of programs, of files and of modules come from elsewhere, and are printed. */
static json_t *printable(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value)) {
        char *text = need_text("%s", json_string_value(value));
        make_printable(text);
        json_string_set(value, text);
        free(text);
    }
    json_array_foreach(value, i, item)
        printable(item);
    json_object_foreach(value, key, item)
        printable(item);
    return value;
}

static json_t *read_file(const char *name)
{
    json_error_t error;
    FILE *stream = fopen(name, "r");
    json_t *file = stream ? printable(json_loadf(stream, 0, &error)) : NULL;
    bool valid = false;
    json_int_t format = json_integer_value(json_object_get(file, "format"));
    if (!stream || ferror(stream))
        warn("'%s' cannot be read", name);
    else if (!file && json_error_code(&error) == json_error_premature_end_of_input)
        warnx("'%s' is left out: it is cut short", name);
    else if (!file)
        warnx("'%s' is left out: it is no JSON in line %d", name, error.line);
    else if (format > STATISTICS_FORMAT)
        warnx("'%s' is left out: it is of format %" JSON_INTEGER_FORMAT
              ", and this command reads up to %d; use that of the library which wrote it",
              name, format, STATISTICS_FORMAT);
    else if (!json_is_array(json_object_get(file, "sites")))
        warnx("'%s' is left out: it holds no statistics of libarenashim.so", name);
    else
        valid = true;
    if (stream)
        fclose(stream);
    if (!valid) {
        json_decref(file);
        file = NULL;
    }
    return file;
}

/* False when the file is left out. */
static bool add_file(json_t *sum, const char *name)
{
    json_t *file = read_file(name), *item;
    size_t i;
    if (!file)
        return false;
    enter_sums(file);
    add_members(sum, file, added, COUNT(added));
    raise_members(sum, file, highest, COUNT(highest));
    add_passed(sum, file);
    json_array_foreach(list_of(file, "sites"), i, item)
        sites_add(sum, item);
    sites_add_nesting(sum, file);
    if (!json_is_array(list_of(file, "processes")))
        add_process(sum, file);
    json_array_foreach(list_of(file, "processes"), i, item)
        add_process(sum, item);
    json_decref(file);
    return true;
}

static json_t *new_sum(void)
{
    return need(json_pack("{s:i, s:{s:[]}, s:[], s:[], s:[], s:{}}", "format", STATISTICS_FORMAT,
                          "passed_in_scope", "modules", "processes", "sites", "nesting",
                          SITES_INDEX));
}

bool process_is_outlier(const json_t *process, const char *key)
{
    json_t *name;
    size_t i;
    json_array_foreach(list_of(process, "outliers"), i, name)
        if (strcmp(json_string_value(name), key) == 0)
            return true;
    return false;
}

/* ---- when all is there ----------------------------------------------------------------------- */

/* By rank, then by host and number. Ranks are numbers, as a rule. */
static int compare_processes(const void *left, const void *right)
{
    const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;
    int order = strverscmp(text_of(a, "rank"), text_of(b, "rank"));
    if (order == 0)
        order = strcmp(text_of(a, "host"), text_of(b, "host"));
    return order != 0 ? order : number_of(a, "pid") < number_of(b, "pid") ? -1 : 1;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void find_outliers(json_t *processes, const char *key)
{
    size_t count = json_array_size(processes), i;
    double *values = need(calloc(count, sizeof *values)), middle, usual;
    json_t *process;
    json_array_foreach(processes, i, process)
        values[i] = (double)number_of(process, key);
    middle = median(values, count);
    for (i = 0; i < count; i++)
        values[i] = fabs(values[i] - middle);
    usual = median(values, count) * NORMAL_DEVIATION;
    json_array_foreach(processes, i, process) {
        double away = fabs((double)number_of(process, key) - middle);
        if (away > OUTLIER_DEVIATIONS * usual && away > OUTLIER_PART * middle)
            json_array_append_new(made_list(process, "outliers"), json_string(key));
    }
    free(values);
}

static void finish(json_t *sum)
{
    json_t *processes = list_of(sum, "processes"), *site;
    size_t i;
    sites_weigh_nesting(sum);
    json_object_del(sum, SITES_INDEX);
    sort_list(processes, compare_processes);
    for (i = 0; i < COUNT(compared) && json_array_size(processes) >= OUTLIERS_AMONG; i++)
        find_outliers(processes, compared[i]);
    sort_by(list_of(json_object_get(sum, "passed_in_scope"), "modules"), "calls");
    sort_by(list_of(sum, "sites"), "routed_bytes");
    json_array_foreach(list_of(sum, "sites"), i, site)
        sort_by(list_of(site, "callers"), "blocks");
    commands_find(sum);
}

/* NAME.json, or NAME.json.PID of what its process has started. */
static int is_json(const struct dirent *entry)
{
    const char *name = entry->d_name, *last = strrchr(name, '.');
    size_t length = strlen(name);
    if (last && last[1] != '\0' && last[1 + strspn(last + 1, "0123456789")] == '\0')
        length = (size_t)(last - name);
    return *name != '.' && length > 5 && strncmp(name + length - 5, ".json", 5) == 0;
}

/* False when a file is left out. */
static bool add_folder(json_t *sum, const char *folder)
{
    struct dirent **entries;
    bool all = true;
    int count = scandir(folder, &entries, is_json, versionsort);
    if (count < 0)
        return add_file(sum, folder);
    for (int i = 0; i < count; i++) {
        char *name = need_text("%s/%s", folder, entries[i]->d_name);
        if (!is_regular_file(name)) {
            warnx("'%s' is left out: it is no regular file", name);
            all = false;
        } else {
            all = add_file(sum, name) && all;
        }
        free(name);
        free(entries[i]);
    }
    free(entries);
    return all;
}

json_t *statistics_read(char **files, size_t count, bool *left_out)
{
    json_t *sum = new_sum();
    for (size_t i = 0; i < count; i++)
        if (!add_folder(sum, files[i]))
            *left_out = true;
    if (json_array_size(list_of(sum, "processes")) == 0) {
        json_decref(sum);
        return NULL;
    }
    finish(sum);
    return sum;
}

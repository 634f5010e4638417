#include "gate/budget.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "reader/members.h"
#include "reader/whole.h"

/* The figures of the statistics that can be limited; the peak of sites is the highest of them, the
 * others are added. */
static const char *const in_all[] = {"threads",   "scopes",    "routed_calls",     "routed_bytes",
                                     "passed",    "overflows", "fallbacks",        "live_at_end",
                                     "survivors", "left_open", "high_water_bytes", "misuses"};
static const char *const by_site[] = {"scopes",    "routed_calls", "routed_bytes", "passed",
                                      "overflows", "fallbacks",    "live_at_end",  "survivors",
                                      "left_open", "peak_bytes"};
#define SITE_ADDED (COUNT(by_site) - 1)

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Where in a budget something is wrong. */
struct spot {
    const char *file;
    char name[40]; /* "total", "sites[3]" */
};

static noreturn void refuse_key(const struct spot *spot, const char *key, const char *const *keys,
                                size_t count, const char *others)
{
    fprintf(stderr, "%s: '%s' is no budget: %s has the unknown key '%s'; there are %s",
            program_invocation_short_name, spot->file, spot->name, key, others);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%s", i > 0 || *others ? ", " : "", keys[i]);
    fputs("\n", stderr);
    exit(GATE_FAILED);
}

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_limit(json_t *limit)
{
    json_t *low = json_object_get(limit, "min"), *high = json_object_get(limit, "max");
    size_t sides = (low != NULL) + (high != NULL);
    if (!json_is_object(limit))
        return is_count(limit);
    return sides > 0 && sides == json_object_size(limit) && (!low || is_count(low)) &&
           (!high || is_count(high)) &&
           (sides < 2 || json_integer_value(low) <= json_integer_value(high));
}

static void check_limits(const struct spot *spot, json_t *object, const char *const *keys,
                         size_t count, bool is_site)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        errx(GATE_FAILED, "'%s' is no budget: %s is no object", spot->file, spot->name);
    json_object_foreach(object, key, value) {
        if (is_site && (strcmp(key, "label") == 0 || strcmp(key, "file") == 0)) {
            if (!json_is_string(value))
                errx(GATE_FAILED, "'%s' is no budget: %s of %s is no text", spot->file, key,
                     spot->name);
        } else if (is_site && strcmp(key, "line") == 0) {
            if (!is_count(value))
                errx(GATE_FAILED, "'%s' is no budget: line of %s is no number", spot->file,
                     spot->name);
        } else if (!is_among(key, keys, count)) {
            refuse_key(spot, key, keys, count, is_site ? "label, file, line" : "");
        } else if (!is_limit(value)) {
            errx(GATE_FAILED,
                 "'%s' is no budget: %s of %s takes a number from 0 on, or an object with min, "
                 "max or both, min not above max",
                 spot->file, key, spot->name);
        }
    }
}

json_t *budget_read(const char *file)
{
    static const char *const keys[] = {"format", "total", "sites"};
    struct spot spot = {file, "it"};
    json_error_t error;
    const char *key;
    json_t *value;
    FILE *stream = fopen(file, "r");
    if (!stream)
        err(GATE_FAILED, "the budget '%s' cannot be read", file);
    json_t *budget = json_loadf(stream, JSON_REJECT_DUPLICATES, &error);
    fclose(stream);
    if (!budget)
        errx(GATE_FAILED, "'%s' is no budget: line %d: %s", file, error.line, error.text);
    json_object_foreach(budget, key, value)
        if (!is_among(key, keys, COUNT(keys)))
            refuse_key(&spot, key, keys, COUNT(keys), "");
    if (json_integer_value(json_object_get(budget, "format")) != BUDGET_FORMAT)
        errx(GATE_FAILED, "'%s' is no budget: its format is not %d", file, BUDGET_FORMAT);
    strcpy(spot.name, "total");
    if (!json_object_get(budget, "total"))
        json_object_set_new(budget, "total", json_object());
    check_limits(&spot, json_object_get(budget, "total"), in_all, COUNT(in_all), false);
    value = json_object_get(budget, "sites");
    if (value && !json_is_array(value))
        errx(GATE_FAILED, "'%s' is no budget: sites is no list", file);
    for (size_t i = 0; i < json_array_size(value); i++) {
        snprintf(spot.name, sizeof spot.name, "sites[%zu]", i);
        check_limits(&spot, json_array_get(value, i), by_site, COUNT(by_site), true);
    }
    return budget;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* NULL when there is no such side. */
static const json_t *most(const json_t *limit)
{
    return json_is_object(limit) ? json_object_get(limit, "max") : limit;
}

bool budget_limits(const json_t *budget, const char *figure)
{
    return most(json_object_get(json_object_get(budget, "total"), figure)) != NULL;
}

bool budget_allows_none(const json_t *budget, const char *figure)
{
    const json_t *limit = json_object_get(json_object_get(budget, "total"), figure);
    return json_object_get(limit, "min") || (most(limit) && json_integer_value(most(limit)) == 0);
}

static bool ends_with_path(const char *path, const char *end)
{
    size_t length = strlen(path), cut = strlen(end);
    return length >= cut && strcmp(path + length - cut, end) == 0 &&
           (length == cut || path[length - cut - 1] == '/');
}

static bool is_meant(const json_t *entry, const json_t *site)
{
    const json_t *label = json_object_get(entry, "label"), *file = json_object_get(entry, "file"),
                 *line = json_object_get(entry, "line");
    return (!label || json_equal(label, json_object_get(site, "label"))) &&
           (!file || ends_with_path(text_of(site, "file"), json_string_value(file))) &&
           (!line || json_equal(line, json_object_get(site, "line")));
}

/* What the sites that an entry means come to, at the place of the first; NULL when there is none.
 */
static json_t *sum_of(const json_t *entry, const json_t *statistics)
{
    json_t *sum = NULL, *site;
    size_t i;
    json_array_foreach(list_of(statistics, "sites"), i, site) {
        if (!is_meant(entry, site))
            continue;
        if (!sum) {
            sum = need(json_copy(site));
            continue;
        }
        add_members(sum, site, by_site, SITE_ADDED);
        raise_members(sum, site, by_site + SITE_ADDED, 1);
    }
    return sum;
}

/* "query (engine.c:197)", as far as it is known. To be freed. */
static char *name_of(const json_t *site)
{
    const char *label = text_of(site, "label"), *file = text_of(site, "file");
    unsigned long line = number_of(site, "line");
    if (*label == '\0')
        label = "(no label)";
    return *file == '\0' ? need_text("%s", label)
           : line == 0   ? need_text("%s (%s)", label, file)
                         : need_text("%s (%s:%lu)", label, file, line);
}

/* Of `limits` those that are figures, against those of `found`. */
static void judge(const json_t *limits, const json_t *found, const char *name, const char *file,
                  struct findings *findings)
{
    const char *key;
    json_t *limit;
    json_object_foreach((json_t *)limits, key, limit) {
        if (!is_among(key, in_all, COUNT(in_all)) && !is_among(key, by_site, COUNT(by_site)))
            continue;
        const json_t *high = most(limit);
        unsigned long is = number_of(found, key), least = number_of(limit, "min");
        if ((!high || is <= (unsigned long)json_integer_value(high)) && is >= least)
            continue;
        struct finding *finding = findings_add(
            findings, GATE_BUDGET, "BudgetBroken", "%s: %s is %lu, the budget allows at %s %lu",
            name, key, is, is < least ? "least" : "most",
            is < least ? least : (unsigned long)json_integer_value(high));
        if (*text_of(found, "file"))
            finding_set_place(finding, text_of(found, "file"), number_of(found, "line"));
        else
            finding_set_place(finding, file, 1);
    }
}

void budget_judge(const json_t *budget, const char *file, const json_t *statistics,
                  struct findings *findings)
{
    json_t *entry;
    size_t i;
    judge(json_object_get(budget, "total"), statistics, "in all", file, findings);
    json_array_foreach(list_of(budget, "sites"), i, entry) {
        json_t *sum = sum_of(entry, statistics);
        char *name = name_of(sum ? sum : entry);
        if (sum)
            judge(entry, sum, name, file, findings);
        else
            finding_set_place(
                findings_add(findings, GATE_BUDGET, "BudgetBroken",
                             "%s: the budget names this site, and the run did not meet it", name),
                file, 1);
        free(name);
        json_decref(sum);
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

/* With the sides that the old limit has; without one at most, and of routed calls at least, too: a
 * scope that routes no more gains nothing. */
static json_t *new_limit(const json_t *old, const char *key, uint64_t found, unsigned slack)
{
    uint64_t whole = found / 100 * slack, rest = found % 100 * slack;
    uint64_t below = whole + rest / 100;
    json_int_t most = (json_int_t)(found + whole + (rest + 99) / 100);
    json_int_t least = (json_int_t)(below < found ? found - below : 0);
    bool both = !old && strcmp(key, "routed_calls") == 0;
    json_t *limit = need(json_object());
    if (both || json_object_get(old, "min"))
        json_object_set_new(limit, "min", json_integer(least));
    if (both || json_object_get(old, "max"))
        json_object_set_new(limit, "max", json_integer(most));
    if (json_object_size(limit) > 0)
        return limit;
    json_decref(limit);
    return need(json_integer(most));
}

static void set_limits(json_t *to, const json_t *old, const json_t *found, const char *const *keys,
                       size_t count, unsigned slack)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *limit = json_object_get(old, keys[i]);
        if (limit || !old)
            json_object_set_new(to, keys[i],
                                new_limit(limit, keys[i], number_of(found, keys[i]), slack));
    }
}

/* An entry for a site that has none. Folders differ from machine to machine, and lines change: one
 * is named only where label and file mean another site, too. */
static json_t *new_entry(const json_t *site, const json_t *statistics)
{
    json_t *other;
    size_t i, meant = 0;
    json_t *entry = need(json_object());
    if (*text_of(site, "label"))
        json_object_set(entry, "label", json_object_get(site, "label"));
    const char *file = text_of(site, "file"), *slash = strrchr(file, '/');
    if (*file != '\0')
        json_object_set_new(entry, "file", json_string(slash ? slash + 1 : file));
    json_array_foreach(list_of(statistics, "sites"), i, other)
        meant += is_meant(entry, other);
    if (meant > 1)
        json_object_set(entry, "line", json_object_get(site, "line"));
    return entry;
}

/* The limits of entries whose sites the run had. */
static json_t *kept_entries(const json_t *budget, const json_t *statistics, unsigned slack)
{
    static const char *const keys[] = {"label", "file", "line"};
    json_t *entries = need(json_array()), *old;
    size_t i;
    json_array_foreach(list_of(budget, "sites"), i, old) {
        json_t *sum = sum_of(old, statistics);
        if (!sum)
            continue;
        json_t *entry = appended(entries, need(json_object()));
        for (size_t k = 0; k < COUNT(keys); k++)
            if (json_object_get(old, keys[k]))
                json_object_set(entry, keys[k], json_object_get(old, keys[k]));
        set_limits(entry, old, sum, by_site, COUNT(by_site), slack);
        json_decref(sum);
    }
    return entries;
}

static void write_budget(const json_t *budget, const char *name)
{
    struct whole file;
    bool written = whole_open(&file, name);
    if (written) {
        json_dumpf(budget, file.stream, JSON_INDENT(2));
        fputc('\n', file.stream);
        written = whole_close(&file);
    }
    if (!written)
        err(GATE_FAILED, "the budget '%s' cannot be written", name);
}

void budget_update(const json_t *budget, const char *file, const json_t *statistics, unsigned slack)
{
    json_t *updated = need(json_pack("{s:i, s:{}}", "format", BUDGET_FORMAT, "total")), *site,
           *entry;
    size_t i, k;
    json_t *entries = kept_entries(budget, statistics, slack);
    set_limits(json_object_get(updated, "total"), json_object_get(budget, "total"), statistics,
               in_all, COUNT(in_all), slack);
    json_array_foreach(list_of(statistics, "sites"), i, site) {
        bool known = false;
        json_array_foreach(entries, k, entry)
            known = known || is_meant(entry, site);
        if (known)
            continue;
        entry = appended(entries, new_entry(site, statistics));
        json_t *sum = sum_of(entry, statistics);
        set_limits(entry, NULL, sum, by_site, COUNT(by_site), slack);
        json_decref(sum);
    }
    json_object_set_new(updated, "sites", entries);
    write_budget(updated, file);
    json_decref(updated);
}

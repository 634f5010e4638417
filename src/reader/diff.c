#include "reader/diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "reader/members.h"
#include "reader/sites.h"

struct figure {
    const char *name, *key;
};

/* The first that differs decides whether a site has grown. */
static const struct figure figures[] = {
    {"routed bytes", "routed_bytes"}, {"routed calls", "routed_calls"},
    {"peak bytes", "peak_bytes"},     {"overflows", "overflows"},
    {"dropped alive", "live_at_end"}, {"survivors", "survivors"},
};
static const struct figure of_all[] = {
    {"routed bytes", "routed_bytes"}, {"routed calls", "routed_calls"},
    {"passed in scope", "passed"},    {"largest arena", "high_water_bytes"},
    {"overflows", "overflows"},       {"dropped alive", "live_at_end"},
    {"survivors", "survivors"},       {"left open", "left_open"},
    {"misuses", "misuses"},           {"ignored frees", "ignored_frees"},
};

struct diff {
    FILE *file;
    double percent;
    bool exceeded;
};

/* Percent that it grew; infinite from 0. */
static double growth(uint64_t before, uint64_t after)
{
    if (before == after)
        return 0;
    return before == 0 ? INFINITY : 100 * ((double)after - (double)before) / (double)before;
}

/* One line for each figure that differs. */
static void print_figures(struct diff *diff, const json_t *before, const json_t *after,
                          const struct figure *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t old = number_of(before, list[i].key), new = number_of(after, list[i].key);
        double grown = growth(old, new);
        if (old == new)
            continue;
        fprintf(diff->file, "    %-16s%16" PRIu64 "%16" PRIu64, list[i].name, old, new);
        if (old > 0)
            fprintf(diff->file, "%+12.1f %%", grown);
        if (before && after && grown > diff->percent) {
            diff->exceeded = true;
            fputs("  past the limit", diff->file);
        }
        fputs("\n", diff->file);
    }
}

static char *site_key(const json_t *site)
{
    return need_text("%s\n%s\n%" PRIu64, text_of(site, "label"), text_of(site, "file"),
                     number_of(site, "line"));
}

/* The sites by what makes them one. */
static json_t *index_sites(const json_t *sum)
{
    json_t *index = json_object(), *site;
    size_t i;
    json_array_foreach(list_of(sum, "sites"), i, site)
    {
        char *key = site_key(site);
        json_object_set(index, key, site);
        free(key);
    }
    return index;
}

/* 1: it has grown, -1: it has shrunk, 0: all figures are the same. */
static int direction(const json_t *before, const json_t *after)
{
    for (size_t i = 0; i < COUNT(figures); i++) {
        uint64_t old = number_of(before, figures[i].key), new = number_of(after, figures[i].key);
        if (old != new)
            return new > old ? 1 : -1;
    }
    return 0;
}

enum kind { GREW, SHRANK, ONLY };

static bool is_of_kind(const json_t *site, const json_t *other, enum kind kind)
{
    if (!other || kind == ONLY)
        return !other && kind == ONLY;
    return direction(other, site) == (kind == GREW ? 1 : -1);
}

/* The sites of `from`, those of `to` being in the index, of that kind, most bytes first. */
static void print_sites(struct diff *diff, const char *title, const json_t *from,
                        const json_t *index, enum kind kind, bool from_is_after)
{
    bool begun = false;
    json_t *site;
    size_t i;
    json_array_foreach(list_of(from, "sites"), i, site)
    {
        char *key = site_key(site);
        const json_t *other = json_object_get(index, key);
        free(key);
        if (!is_of_kind(site, other, kind))
            continue;
        char *name = site_name(site);
        fprintf(diff->file, "%s%s  %s\n", begun ? "" : title, begun ? "" : "\n", name);
        free(name);
        begun = true;
        print_figures(diff, from_is_after ? other : site, from_is_after ? site : other, figures,
                      COUNT(figures));
    }
}

bool diff_print(const json_t *before, const json_t *after, double percent, FILE *file)
{
    struct diff diff = {.file = file, .percent = percent};
    json_t *of_before = index_sites(before), *of_after = index_sites(after);
    fprintf(file, "%-20s%16s%16s\nall\n", "", "before", "after");
    print_figures(&diff, before, after, of_all, COUNT(of_all));
    print_sites(&diff, "grew", after, of_before, GREW, true);
    print_sites(&diff, "shrank", after, of_before, SHRANK, true);
    print_sites(&diff, "new", after, of_before, ONLY, true);
    print_sites(&diff, "gone", before, of_after, ONLY, false);
    json_decref(of_before);
    json_decref(of_after);
    return diff.exceeded;
}

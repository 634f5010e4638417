#include "reader/diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "reader/members.h"
#include "reader/sites.h"

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

static json_t *other_site(const json_t *index, const json_t *site)
{
    char *key = site_key(site);
    json_t *other = json_object_get(index, key);
    free(key);
    return other;
}

static void enter_site(json_t *index, const json_t *as, json_t *site)
{
    char *key = site_key(as);
    json_object_set(index, key, site);
    free(key);
}

/* The sites by what makes them one. */
static json_t *index_sites(const json_t *sum)
{
    json_t *index = json_object(), *site;
    size_t i;
    json_array_foreach(list_of(sum, "sites"), i, site)
        enter_site(index, site, site);
    return index;
}

/* The sites that the other sum has not, by label and by file without its folders; null where there
 * are several of a name. */
static json_t *index_lost(const json_t *sum, const json_t *of_other)
{
    json_t *index = json_object(), *site;
    size_t i;
    json_array_foreach(list_of(sum, "sites"), i, site) {
        const char *file = text_of(site, "file"), *slash = strrchr(file, '/');
        if (*text_of(site, "label") == '\0' || other_site(of_other, site))
            continue;
        char *name = need_text("%s\n%s", text_of(site, "label"), slash ? slash + 1 : file);
        if (json_object_get(index, name))
            json_object_set_new(index, name, json_null());
        else
            json_object_set(index, name, site);
        free(name);
    }
    return index;
}

/* Enters a site of either sum in the other's index, too, where it stands on another line or in
 * another folder there. */
static void match_moved(const json_t *before, const json_t *after, json_t *of_before,
                        json_t *of_after)
{
    json_t *lost = index_lost(before, of_after), *found = index_lost(after, of_before), *site;
    const char *name;
    json_object_foreach(lost, name, site) {
        json_t *now = json_object_get(found, name);
        if (!json_is_object(site) || !json_is_object(now))
            continue;
        enter_site(of_before, now, site);
        enter_site(of_after, site, now);
    }
    json_decref(lost);
    json_decref(found);
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

static bool has_moved(const json_t *site, const json_t *other)
{
    return strcmp(text_of(site, "file"), text_of(other, "file")) != 0 ||
           number_of(site, "line") != number_of(other, "line");
}

enum kind { GREW, SHRANK, SAME, ONLY };

static enum kind kind_of(const json_t *site, const json_t *other)
{
    int grown = other ? direction(other, site) : 0;
    return !other ? ONLY : grown > 0 ? GREW : grown < 0 ? SHRANK : SAME;
}

/* The sites of `from`, those of `to` being in the index, of that kind, most bytes first; of those
 * that are the same what has moved. */
static void print_sites(struct diff *diff, const char *title, const json_t *from,
                        const json_t *index, enum kind kind, bool from_is_after)
{
    bool begun = false;
    json_t *site;
    size_t i;
    json_array_foreach(list_of(from, "sites"), i, site) {
        const json_t *other = other_site(index, site);
        bool moved = other && has_moved(site, other);
        if (kind_of(site, other) != kind || (kind == SAME && !moved))
            continue;
        char *name = site_name(site);
        fprintf(diff->file, "%s%s  %s", begun ? "" : title, begun ? "" : "\n", name);
        if (moved)
            fprintf(diff->file, ", moved from %s:%" PRIu64, text_of(other, "file"),
                    number_of(other, "line"));
        fputs("\n", diff->file);
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
    match_moved(before, after, of_before, of_after);
    fprintf(file, "%-20s%16s%16s\nall\n", "", "before", "after");
    print_figures(&diff, before, after, of_all, COUNT(of_all));
    print_sites(&diff, "grew", after, of_before, GREW, true);
    print_sites(&diff, "shrank", after, of_before, SHRANK, true);
    print_sites(&diff, "moved", after, of_before, SAME, true);
    print_sites(&diff, "new", after, of_before, ONLY, true);
    print_sites(&diff, "gone", before, of_after, ONLY, false);
    json_decref(of_before);
    json_decref(of_after);
    return diff.exceeded;
}

#include "reader/sites.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "advise/need.h"
#include "advise/places.h"
#include "base/compiler.h"
#include "reader/members.h"

#define CHAIN_MOST 64 /* sites in one another; a file that says more is no tree */
#define SIZES_MOST 64 /* powers of 2 */
#define NOTED "node in the sum"

static const char *const site_added[] = {"scopes",    "routed_calls", "routed_bytes",
                                         "overflows", "fallbacks",    "live_at_end",
                                         "survivors", "left_open",    "passed"};
static const char *const site_highest[] = {"peak_bytes", "bytes_pinned"};

/* ---- sites ----------------------------------------------------------------------------------- */

static char *site_key(const json_t *site, uint64_t around)
{
    return need_text("%" PRIu64 "\t%s\t%s\t%" PRIu64, around, text_of(site, "label"),
                     text_of(site, "file"), number_of(site, "line"));
}

static json_t *new_site(const json_t *site)
{
    return need(json_pack("{s:s, s:s, s:I}", "label", text_of(site, "label"), "file",
                          text_of(site, "file"), "line", (json_int_t)number_of(site, "line")));
}

static void add_histogram(json_t *sum, const json_t *site)
{
    json_t *sizes = made_list(sum, "histogram");
    size_t i;
    json_t *scopes;
    json_array_foreach(list_of(site, "histogram"), i, scopes) {
        if (i == SIZES_MOST)
            break;
        uint64_t before = count_of(json_array_get(sizes, i));
        json_t *now = new_number(before + count_of(scopes));
        if (i < json_array_size(sizes))
            json_array_set_new(sizes, i, now);
        else
            json_array_append_new(sizes, now);
    }
}

/* Whether the module that a call is in is at hand: says so where it is another file by now. */
static bool is_at_hand(const char *module, const json_t *caller)
{
    static json_t *said;
    struct stat file;
    if (stat(module, &file) != 0 || !S_ISREG(file.st_mode))
        return false;
    uint64_t time = (uint64_t)file.st_mtim.tv_sec * 1000000 + (uint64_t)file.st_mtim.tv_nsec / 1000;
    if (!json_object_get(caller, "file_time") ||
        (number_of(caller, "file_bytes") == (uint64_t)file.st_size &&
         number_of(caller, "file_time") == time))
        return true;
    said = said ? said : json_object();
    if (!json_object_get(said, module))
        warnx("'%s' has changed: calls in it are shown by their offset", module);
    json_object_set_new(said, module, json_true());
    return false;
}

/* A call by function, file and line: those that it has, or as far as its object file is at hand. */
static json_t *new_caller(const json_t *caller)
{
    const char *module = text_of(caller, "module"), *slash = strrchr(module, '/');
    struct place place = {.name = (char *)text_of(caller, "function"),
                          .file = (char *)text_of(caller, "file"),
                          .line = (unsigned)number_of(caller, "line")};
    bool known = *place.name != '\0';
    if (!known)
        places_call(is_at_hand(module, caller) ? module : "", number_of(caller, "offset"), &place);
    json_t *made = need(json_pack("{s:s, s:s, s:s, s:I}", "module", slash ? slash + 1 : module,
                                  "function", place.name, "file", place.file ? place.file : "",
                                  "line", (json_int_t)place.line));
    if (!known)
        places_free(&place);
    return made;
}

static void add_caller(json_t *index, json_t *list, const char *site, const json_t *caller)
{
    static const char *const counts[] = {"blocks", "bytes"};
    json_t *made = new_caller(caller);
    char *key =
        need_text("%s\n%s\n%s\n%s\n%" PRIu64, site, text_of(made, "module"),
                  text_of(made, "function"), text_of(made, "file"), number_of(made, "line"));
    json_t *known = json_object_get(index, key);
    if (!known) {
        known = appended(list, json_incref(made));
        json_object_set(index, key, known);
    }
    json_decref(made);
    free(key);
    add_members(known, caller, counts, COUNT(counts));
}

void sites_add(json_t *sum, const json_t *site)
{
    json_t *index = json_object_get(sum, SITES_INDEX), *caller;
    char *key = site_key(site, 0);
    json_t *known = json_object_get(index, key);
    size_t i;
    if (!known) {
        known = appended(list_of(sum, "sites"), new_site(site));
        json_object_set(index, key, known);
    }
    add_members(known, site, site_added, COUNT(site_added));
    raise_members(known, site, site_highest, COUNT(site_highest));
    add_histogram(known, site);
    json_array_foreach(list_of(site, "callers"), i, caller)
        add_caller(index, made_list(known, "callers"), key, caller);
    free(key);
}

int site_quantile(const json_t *site, double share)
{
    double all = 0, below = 0;
    size_t i;
    json_t *scopes;
    json_array_foreach(list_of(site, "histogram"), i, scopes)
        all += (double)count_of(scopes);
    json_array_foreach(list_of(site, "histogram"), i, scopes) {
        below += (double)count_of(scopes);
        if (below > 0 && below >= share * all)
            return (int)i;
    }
    return -1;
}

char *site_name(const json_t *site)
{
    const char *label = text_of(site, "label"), *file = text_of(site, "file");
    const char *slash = strrchr(file, '/');
    if (*label == '\0')
        label = "(no label)";
    return *file == '\0' ? need_text("%s", label)
                         : need_text("%s %s:%" PRIu64, label, slash ? slash + 1 : file,
                                     number_of(site, "line"));
}

/* ---- nesting --------------------------------------------------------------------------------- */

static bool is_chain(const json_t *nodes, uint64_t number)
{
    unsigned depth = 0;
    for (; number > 0 && depth < CHAIN_MOST; depth++)
        number = number_of(json_array_get(nodes, number - 1), "in");
    return depth < CHAIN_MOST;
}

/* The number in the sum of a node of a file, which is noted in that; 0 for none, for one that is in
 * itself, and beyond what can be a chain. */
static uint64_t node_in_sum(json_t *sum, const json_t *nodes, uint64_t number, unsigned depth)
{
    char *name = need_text("%" PRIu64, number);
    json_t *node = json_object_get(nodes, name), *index = json_object_get(sum, SITES_INDEX), *known;
    free(name);
    if (!node || depth == CHAIN_MOST || json_object_get(node, NOTED))
        return number_of(node, NOTED);
    set_number(node, NOTED, 0);
    json_t *list = list_of(sum, "nesting");
    uint64_t around = node_in_sum(sum, nodes, number_of(node, "in"), depth + 1);
    if (!is_chain(list, around))
        around = 0;
    name = site_key(node, around + 1); /* 0 is the sites' own */
    known = json_object_get(index, name);
    if (!known) {
        known = appended(list, new_site(node));
        set_number(known, "node", json_array_size(list));
        set_number(known, "in", around);
        set_number(known, "scopes", 0);
        json_object_set(index, name, known);
    }
    free(name);
    set_number(node, NOTED, number_of(known, "node"));
    return number_of(known, "node");
}

void sites_add_nesting(json_t *sum, const json_t *file)
{
    json_t *nodes = json_object(), *node;
    size_t i;
    json_array_foreach(list_of(file, "nesting"), i, node) {
        json_object_del(node, NOTED);
        char *name = need_text("%" PRIu64, number_of(node, "node"));
        json_object_set(nodes, name, node);
        free(name);
    }
    json_array_foreach(list_of(file, "nesting"), i, node) {
        static const char *const counts[] = {"scopes"};
        uint64_t number = node_in_sum(sum, nodes, number_of(node, "node"), 0);
        if (number > 0)
            add_members(json_array_get(list_of(sum, "nesting"), number - 1), node, counts, 1);
    }
    json_decref(nodes);
}

void sites_weigh_nesting(json_t *sum)
{
    static const char *const counts[] = {"scopes"}, *const weights[] = {"bytes"};
    json_t *index = json_object_get(sum, SITES_INDEX), *all = json_object();
    json_t *nodes = list_of(sum, "nesting"), *node;
    size_t i;
    json_array_foreach(nodes, i, node) {
        char *key = site_key(node, 0);
        if (!json_object_get(all, key))
            json_object_set_new(all, key, json_object());
        add_members(json_object_get(all, key), node, counts, 1);
        free(key);
    }
    for (i = json_array_size(nodes); i-- > 0;) {
        node = json_array_get(nodes, i);
        char *key = site_key(node, 0);
        double bytes = (double)number_of(json_object_get(index, key), "routed_bytes");
        double scopes = (double)number_of(json_object_get(all, key), "scopes");
        double own = scopes > 0 ? bytes * (double)number_of(node, "scopes") / scopes : 0;
        set_number(node, "bytes", number_of(node, "bytes") + (uint64_t)own);
        if (number_of(node, "in") > 0)
            add_members(json_array_get(nodes, number_of(node, "in") - 1), node, weights, 1);
        free(key);
    }
    json_decref(all);
}

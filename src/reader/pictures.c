#include "reader/pictures.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/numbers.h"
#include "reader/html.h"
#include "reader/members.h"
#include "reader/sites.h"
#include "reader/statistics.h"

#define WIDTH 1000.0
#define ROW 20
#define NARROWEST 4.0 /* of what is drawn */
#define LETTER 6.5    /* the width of one */
#define RANK_MOST 12  /* characters */

/* ---- icicle ---------------------------------------------------------------------------------- */

struct icicle {
    const json_t *nodes;
    FILE *file;
    double scale; /* width of a byte */
};

static unsigned depth_of(const json_t *nodes, const json_t *node)
{
    unsigned depth = 0;
    for (; number_of(node, "in") > 0; depth++)
        node = json_array_get(nodes, number_of(node, "in") - 1);
    return depth;
}

static void draw_node(const struct icicle *icicle, const json_t *node, unsigned depth, double x,
                      double width)
{
    FILE *file = icicle->file;
    char *name = site_name(node);
    fprintf(file, "<g tabindex=0><title>");
    html_text(file, name, 0);
    fputs(": ", file);
    html_number(file, number_of(node, "scopes"));
    fputs(" scopes, ", file);
    html_number(file, number_of(node, "bytes"));
    fprintf(file, " bytes</title><rect class=c%u x=%.1f y=%u width=%.1f height=%d />", depth % 4, x,
            depth * ROW, width, ROW);
    if (width > 8 * LETTER) {
        fprintf(file, "<text class=on x=%.1f y=%u>", x + 3, depth * ROW + 14);
        html_text(file, name, (size_t)(width / LETTER) - 1);
        fputs("</text>", file);
    }
    fputs("</g>\n", file);
    free(name);
}

static void draw_nodes_in(const struct icicle *icicle, uint64_t around, unsigned depth, double x)
{
    json_t *node;
    size_t i;
    json_array_foreach(icicle->nodes, i, node)
    {
        double width = (double)number_of(node, "bytes") * icicle->scale;
        if (number_of(node, "in") != around || width < NARROWEST)
            continue;
        draw_node(icicle, node, depth, x, width);
        draw_nodes_in(icicle, number_of(node, "node"), depth + 1, x);
        x += width;
    }
}

void picture_icicle(const json_t *nodes, FILE *file)
{
    unsigned deepest = 0;
    double bytes = 0;
    json_t *node;
    size_t i;
    json_array_foreach(nodes, i, node)
    {
        deepest = (unsigned)higher(deepest, depth_of(nodes, node));
        if (number_of(node, "in") == 0)
            bytes += (double)number_of(node, "bytes");
    }
    fprintf(file,
            "<svg id=icicle viewBox=\"0 0 %.0f %u\" role=img aria-label=\"Nesting of scopes\">\n",
            WIDTH, (deepest + 1) * ROW);
    draw_nodes_in(&(struct icicle){nodes, file, bytes > 0 ? WIDTH / bytes : 0}, 0, 0, 0);
    fputs("</svg>\n", file);
}

/* ---- bars ------------------------------------------------------------------------------------ */

void picture_bars(const json_t *site, FILE *file)
{
    static const char *const bars[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
    json_t *scopes;
    uint64_t most = 1;
    bool begun = false;
    size_t i;
    json_array_foreach(list_of(site, "histogram"), i, scopes) most =
        count_of(scopes) > most ? count_of(scopes) : most;
    json_array_foreach(list_of(site, "histogram"), i, scopes)
    {
        uint64_t count = count_of(scopes);
        begun = begun || count > 0;
        if (begun)
            fputs(count > 0 ? bars[(size_t)(7.999 * (double)count / (double)most)] : "_", file);
    }
}

/* ---- strip ----------------------------------------------------------------------------------- */

void picture_strip(const json_t *processes, const char *key, const char *title, FILE *file)
{
    json_t *process;
    uint64_t most = 1;
    size_t i;
    json_array_foreach(processes, i, process) most =
        number_of(process, key) > most ? number_of(process, key) : most;
    fprintf(file,
            "<svg class=strip viewBox=\"0 0 1000 34\" role=img aria-label=\"%s by process\">"
            "<text x=0 y=20>%s</text><line x1=150 x2=980 y1=16 y2=16 />\n",
            title, title);
    json_array_foreach(processes, i, process)
    {
        const char *rank = text_of(process, "rank");
        double x = 150 + 830 * (double)number_of(process, key) / (double)most;
        bool out = process_is_outlier(process, key);
        fputs(*rank == '\0' ? "<g><title>process" : "<g><title>rank ", file);
        html_text(file, rank, RANK_MOST);
        fputs(": ", file);
        html_number(file, number_of(process, key));
        fprintf(file, "</title><circle%s cx=%.1f cy=16 r=%d />", out ? " class=out" : "", x,
                out ? 6 : 5);
        if (out) {
            fprintf(file, "<text x=%.1f y=33 text-anchor=middle>", x);
            html_text(file, rank, RANK_MOST);
            fputs("</text>", file);
        }
        fputs("</g>\n", file);
    }
    fputs("</svg>\n", file);
}

#include "reader/pictures.h"

#include <math.h>
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
#define NAME_MOST 60
#define NODES_MOST 60
#define BARS_MOST 16
#define DOT 5 /* of two in the place of one, one is drawn */
#define DOTS (830 / DOT + 1)

/* ---- icicle ---------------------------------------------------------------------------------- */

struct icicle {
    const json_t *nodes;
    FILE *file;
    double scale; /* width of a byte */
    double narrowest;
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
    fputs("<g tabindex=0 role=img><title>", file);
    html_text(file, name, NAME_MOST);
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
    json_array_foreach(icicle->nodes, i, node) {
        double width = (double)number_of(node, "bytes") * icicle->scale;
        if (number_of(node, "in") != around || width < icicle->narrowest)
            continue;
        draw_node(icicle, node, depth, x, width);
        draw_nodes_in(icicle, number_of(node, "node"), depth + 1, x);
        x += width;
    }
}

/* How many are drawn, and how deep they reach. */
static size_t count_drawn(const struct icicle *icicle, unsigned *deepest)
{
    size_t drawn = 0, i;
    json_t *node;
    json_array_foreach(icicle->nodes, i, node) {
        if ((double)number_of(node, "bytes") * icicle->scale < icicle->narrowest)
            continue;
        drawn++;
        *deepest = (unsigned)higher(*deepest, depth_of(icicle->nodes, node));
    }
    return drawn;
}

void picture_icicle(const json_t *nodes, FILE *file)
{
    struct icicle icicle = {.nodes = nodes, .file = file, .narrowest = NARROWEST};
    unsigned deepest = 0;
    double bytes = 0;
    size_t drawn, i;
    json_t *node;
    json_array_foreach(nodes, i, node)
        if (number_of(node, "in") == 0)
            bytes += (double)number_of(node, "bytes");
    icicle.scale = bytes > 0 ? WIDTH / bytes : 0;
    while ((drawn = count_drawn(&icicle, &deepest)) > NODES_MOST) {
        icicle.narrowest *= 1.1;
        deepest = 0;
    }
    fprintf(file,
            "<svg id=icicle viewBox=\"0 0 %.0f %u\" role=group aria-label=\"Nesting of scopes\">\n",
            WIDTH, (deepest + 1) * ROW);
    draw_nodes_in(&icicle, 0, 0, 0);
    fputs("</svg>\n", file);
    if (drawn < json_array_size(nodes))
        fprintf(file, "<p>Too narrow to be drawn: %zu.</p>\n", json_array_size(nodes) - drawn);
}

/* ---- bars ------------------------------------------------------------------------------------ */

void picture_bars(const json_t *site, FILE *file)
{
    static const char *const bars[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                       "\u2585", "\u2586", "\u2587", "\u2588"};
    const json_t *sizes = list_of(site, "histogram");
    size_t count = json_array_size(sizes), step = (count + BARS_MOST - 1) / BARS_MOST, i;
    double heights[BARS_MOST] = {0}, most = 1;
    bool begun = false;
    for (i = 0; i < count; i++) {
        heights[i / step] += (double)count_of(json_array_get(sizes, i));
        most = fmax(most, heights[i / step]);
    }
    for (i = 0; i * step < count; i++) {
        begun = begun || heights[i] > 0;
        if (begun)
            fputs(heights[i] > 0 ? bars[(size_t)(7.999 * heights[i] / most)] : "_", file);
    }
}

/* ---- strip ----------------------------------------------------------------------------------- */

void picture_strip(const json_t *processes, const char *key, const char *title, FILE *file)
{
    bool taken[2][DOTS] = {0}; /* by one that is no outlier, by one that is */
    json_t *process;
    uint64_t most = 1;
    size_t i;
    json_array_foreach(processes, i, process)
        most = number_of(process, key) > most ? number_of(process, key) : most;
    fprintf(file,
            "<svg class=strip viewBox=\"0 0 1000 34\" role=img aria-label=\"%s by process\">"
            "<text x=0 y=20>%s</text><line x1=150 x2=980 y1=16 y2=16 />\n",
            title, title);
    json_array_foreach(processes, i, process) {
        const char *rank = text_of(process, "rank");
        double x = 830 * (double)number_of(process, key) / (double)most;
        bool out = process_is_outlier(process, key), *place = &taken[out][(size_t)x / DOT];
        if (*place)
            continue;
        *place = true;
        x += 150;
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

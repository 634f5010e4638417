#include "reader/html.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define CELL_MOST 64 /* the JSON has all */

static const char *escaped(const char *at)
{
    return *at == '&' ? "&amp;" : *at == '<' ? "&lt;" : *at == '>' ? "&gt;" : NULL;
}

static size_t length(const char *at)
{
    return escaped(at) ? strlen(escaped(at)) : 1;
}

static void write_part(FILE *file, const char *text, const char *end)
{
    for (; text < end; text++) {
        if (escaped(text))
            fputs(escaped(text), file);
        else
            putc((unsigned char)*text < ' ' ? ' ' : *text, file);
    }
}

/* Whether a character of UTF-8 began before. */
static bool goes_on(const char *at)
{
    return ((unsigned char)*at & 0xc0) == 0x80;
}

void html_text(FILE *file, const char *text, size_t most)
{
    const char *end = text + strlen(text), *head = text, *tail = end, *at;
    size_t all = 0, used;
    for (at = text; at < end; at++)
        all += length(at);
    if (most == 0 || all <= most) {
        write_part(file, text, end);
        return;
    }
    for (used = length(head); used <= most / 2; used += length(head))
        head++;
    while (head > text && goes_on(head))
        head--;
    for (used = length(tail - 1); used <= most / 2; used += length(tail - 1))
        tail--;
    while (goes_on(tail))
        tail++;
    write_part(file, text, head);
    fputs("\u2026", file);
    write_part(file, tail, end);
}

void html_number(FILE *file, uint64_t number)
{
    if (number >= 1000) {
        html_number(file, number / 1000);
        fprintf(file, ",%03" PRIu64, number % 1000);
    } else {
        fprintf(file, "%" PRIu64, number);
    }
}

void html_cell(FILE *file, uint64_t number)
{
    fputs("<td>", file);
    html_number(file, number);
}

void html_text_cell(FILE *file, const char *text)
{
    fputs("<td class=l>", file);
    html_text(file, text, CELL_MOST);
}

void html_heading(FILE *file, const char *heading, const char *explanation)
{
    fprintf(file, "<h2>%s</h2>\n<p>%s</p>\n", heading, explanation);
}

void html_table(FILE *file, const char *id, const char *const *headings, size_t count)
{
    fprintf(file, "<div class=wide><table class=s id=%s><thead><tr>", id);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "<th scope=col>%s", headings[i]);
    fputs("</thead><tbody>\n", file);
}

void html_table_end(FILE *file)
{
    fputs("</tbody></table></div>\n", file);
}

#include "reader/html.h"

#include <inttypes.h>
#include <stdbool.h>

#define CELL_MOST 60 /* characters; the JSON has all of them */

void html_text(FILE *file, const char *text, size_t most)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        bool begins = ((unsigned char)*text & 0xc0) != 0x80; /* a character, in UTF-8 */
        if (begins && most > 0 && count++ == most) {
            fputs("&hellip;", file);
            return;
        }
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        default:
            putc((unsigned char)*text < ' ' ? ' ' : *text, file);
        }
    }
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

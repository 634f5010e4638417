#include "advise/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/quote.h"

void table_start(struct table *table, const char *const headings[], size_t columns)
{
    *table = (struct table){.columns = columns};
    table_row(table);
    for (size_t i = 0; i < columns; i++)
        table_cell(table, "%s", headings[i]);
}

void table_row(struct table *table)
{
    table->rows++;
}

void table_cell(struct table *table, const char *format, ...)
{
    char **cell = table->cells[table->rows - 1];
    va_list arguments;
    while (*cell)
        cell++;
    va_start(arguments, format);
    if (vasprintf(cell, format, arguments) < 0)
        need(NULL);
    va_end(arguments);
    quote_controls(*cell);
}

char *table_size_text(uint64_t bytes)
{
    static const char units[] = "BKMG";
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && units[unit + 1] != '\0'; unit++)
        size /= 1024;
    return need_text(unit > 0 && size < 10 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

void table_size(struct table *table, uint64_t bytes)
{
    char *text = table_size_text(bytes);
    table_cell(table, "%s", text);
    free(text);
}

void table_gain(struct table *table, double ratio)
{
    if (ratio > 0)
        table_cell(table, "%.1f%%", 100 * (1 - ratio));
    else
        table_cell(table, "-");
}

void table_print(struct table *table, unsigned width, FILE *file)
{
    int widths[TABLE_COLUMNS] = {0}, used = 0;
    for (size_t i = 0; i < table->rows; i++)
        for (size_t k = 0; k < table->columns; k++)
            if ((int)strlen(table->cells[i][k]) > widths[k])
                widths[k] = (int)strlen(table->cells[i][k]);
    for (size_t k = 0; k + 1 < table->columns; k++)
        used += widths[k] + 2;
    for (size_t i = 0; i < table->rows; i++) {
        for (size_t k = 0; k + 1 < table->columns; k++)
            fprintf(file, "%*s  ", widths[k], table->cells[i][k]);
        enum { LEAST = 12 };
        int left = (int)width - used > LEAST ? (int)width - used : LEAST;
        fprintf(file, "%.*s\n", width > 0 ? left : -1, table->cells[i][table->columns - 1]);
        for (size_t k = 0; k < table->columns; k++)
            free(table->cells[i][k]);
    }
}

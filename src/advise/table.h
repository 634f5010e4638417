/*
 * Tables on the terminal: columns as wide as what stands in them.
 */
#ifndef ADVISE_TABLE_H
#define ADVISE_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS 9
#define TABLE_ROWS 40

struct table {
    size_t columns, rows;
    char *cells[TABLE_ROWS][TABLE_COLUMNS];
};

/* Begins a table by its headings. */
void table_start(struct table *table, const char *const headings[], size_t columns);

/* Sets the next cell of the row begun last, or begins a row. */
void table_row(struct table *table);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A size in bytes, KiB, MiB or GiB; to be freed. */
char *table_size_text(uint64_t bytes);
void table_size(struct table *table, uint64_t bytes);

/* How much less CPU time it takes than plain, of whose time the ratio is. 0: it is not known. */
void table_gain(struct table *table, double ratio);

/* Prints the table, its numbers to the right, its last column, which is text, to the left and cut
 * where the line would be longer than `width`; and forgets it. */
void table_print(struct table *table, unsigned width, FILE *file);

#endif

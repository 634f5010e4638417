/*
 * What the page is written with: text with the characters escaped that mean something in HTML,
 * numbers in groups of three digits, tables.
 */
#ifndef READER_HTML_H
#define READER_HTML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Of a text that takes more than `most` bytes on the page its beginning and its end; 0: all. */
void html_text(FILE *file, const char *text, size_t most);
void html_number(FILE *file, uint64_t number);

/* Cells of a row that has been begun by "<tr>"; ends of both may be left out in HTML. */
void html_cell(FILE *file, uint64_t number);
void html_text_cell(FILE *file, const char *text);

/* A heading; a table, sorted by a click, up to its first row; its end. */
void html_heading(FILE *file, const char *heading, const char *explanation);
void html_table(FILE *file, const char *id, const char *const *headings, size_t count);
void html_table_end(FILE *file);

#endif

/*
 * The report as one page of HTML: no network, readable without a script.
 */
#ifndef READER_PAGE_H
#define READER_PAGE_H

#include <jansson.h>
#include <stdbool.h>

/* False, after one line on stderr, when the file cannot be written. */
bool page_write(const json_t *sum, const char *file);

#endif

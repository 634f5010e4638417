/*
 * The report as text.
 */
#ifndef READER_TEXT_H
#define READER_TEXT_H

#include <jansson.h>
#include <stdio.h>

void text_report(const json_t *sum, FILE *file);

#endif

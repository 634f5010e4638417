/* The table of arenashim scopes. */
#include "wrap/listing.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "wrap/apply.h"

/* One line in columns; the last of them needs no width. */
enum { SPEC, END, OFFSET, SIZE, HOW, COLUMNS };
#define CELL_MAX 256

struct row {
    char cells[COLUMNS][CELL_MAX];
    const char *label;
};

static const struct row heading = {{"SPEC", "END", "OFFSET", "SIZE", "HOW"}, "FUNCTION"};

static void append(char cell[CELL_MAX], const char *text)
{
    text_append(cell, CELL_MAX, text);
}

static void append_how(char cell[CELL_MAX], const struct outcome *outcome)
{
    char number[TEXT_NUMBER_SIZE];
    switch (outcome->how) {
    case HOW_ENTRY:
        append(cell, "entry");
        break;
    case HOW_NOPS:
        append(cell, "entry (nops)");
        break;
    case HOW_GOT:
        append(cell, "GOT of ");
        text_decimal(number, outcome->importers);
        append(cell, number);
        append(cell, outcome->importers == 1 ? " module" : " modules");
        break;
    case HOW_NOT:
        append(cell, "not: ");
        append(cell, outcome->reason);
        append(cell, outcome->nor);
        break;
    case HOW_EARLIER:
        append(cell, "by an earlier spec");
        break;
    }
}

static void fill(struct row *row, const struct spec *spec, const struct outcome *outcome)
{
    *row = (struct row){.label = ""};
    append(row->cells[SPEC], spec->text);
    if (!outcome) {
        append(row->cells[END], "no match");
        return;
    }
    char number[TEXT_NUMBER_SIZE];
    append(row->cells[END], spec->retain ? "retain" : "reset");
    append(row->cells[OFFSET], "0x");
    text_hexadecimal(number, outcome->offset);
    append(row->cells[OFFSET], number);
    text_decimal(number, outcome->size);
    append(row->cells[SIZE], number);
    append_how(row->cells[HOW], outcome);
    row->label = outcome->label ? outcome->label : "";
}

static void measure(const struct row *row, size_t widths[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(row->cells[i]) > widths[i])
            widths[i] = strlen(row->cells[i]);
}

static void print(struct text *text, const struct row *row, const size_t widths[COLUMNS])
{
    size_t blanks = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t length = strlen(row->cells[i]);
        for (; length > 0 && blanks > 0; blanks--)
            text_str(text, " ");
        text_name(text, row->cells[i]);
        blanks += widths[i] - length + 2;
    }
    for (; *row->label != '\0' && blanks > 0; blanks--)
        text_str(text, " ");
    text_name(text, row->label);
    text_str(text, "\n");
}

/* One line: printed or, while `text` is NULL, measured. */
static void put(struct text *text, const struct row *row, size_t widths[COLUMNS])
{
    if (text)
        print(text, row, widths);
    else
        measure(row, widths);
}

static void put_all(struct text *text, const struct list *specs, const struct list *outcomes,
                    size_t widths[COLUMNS])
{
    const struct spec *spec = specs->items;
    const struct outcome *outcome = outcomes->items;
    put(text, &heading, widths);
    for (size_t s = 0; s < specs->count; s++) {
        struct row row;
        fill(&row, &spec[s], NULL);
        if (spec[s].matched == 0)
            put(text, &row, widths);
        for (size_t i = 0; i < outcomes->count; i++) {
            if (outcome[i].spec != s)
                continue;
            fill(&row, &spec[s], &outcome[i]);
            put(text, &row, widths);
        }
    }
}

bool listing_print(const struct list *specs, const struct list *outcomes)
{
    struct text text;
    size_t widths[COLUMNS] = {0};
    text_open(&text, STDOUT_FILENO);
    put_all(NULL, specs, outcomes, widths);
    put_all(&text, specs, outcomes, widths);
    return text_flush(&text);
}

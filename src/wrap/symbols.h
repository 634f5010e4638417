/*
 * The functions of a loaded object file: those of its dynamic symbol table and, when its file on
 * disk is still the one that was loaded, those of the symbol table there. Where a function without
 * a symbol begins and ends is said by the unwind table (.eh_frame_hdr).
 */
#ifndef WRAP_SYMBOLS_H
#define WRAP_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wrap/memory.h"
#include "wrap/object.h"

/* Which name stands for a function that has several: the lowest. */
enum symbol_scope { SYMBOL_EXPORTED, SYMBOL_GLOBAL, SYMBOL_LOCAL };

struct symbol {
    const char *name; /* valid until symbols_close; with a version in .symtab: name@@VERSION */
    uintptr_t address;
    size_t size; /* 0: unknown */
    enum symbol_scope scope;
    unsigned char other; /* st_other */
    bool indirect;       /* the address is that of a resolver, which chooses the function (IFUNC) */
};

struct symbols {
    struct list list; /* of struct symbol, in no order */
    bool stripped;    /* there is no symbol table but the dynamic one, or it is unread */
    bool unread;      /* the file cannot be read, or is another by now */
    void *file;       /* mapping, or NULL */
    size_t file_size;
};

/* False when there is no memory. */
bool symbols_open(const struct object *object, struct symbols *symbols);
void symbols_close(struct symbols *symbols);

/* The number of entries in the dynamic symbol table. */
size_t symbols_dynamic_count(const struct object *object);

/* Looks the address up in the unwind table. True when a function's code covers it; then where that
 * begins and its size (0 when the table's entry cannot be read). */
bool symbols_unwind(const struct object *object, uintptr_t address, uintptr_t *start, size_t *size);

/* What the unwind table knows as code of the segment that holds the function, when it knows that.
 */
void symbols_code(const struct object *object, uintptr_t function, uintptr_t *start,
                  uintptr_t *end);

#endif

/*
 * Which functions of a loaded object the specs mean.
 */
#ifndef WRAP_MATCH_H
#define WRAP_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "wrap/memory.h"
#include "wrap/object.h"
#include "wrap/symbols.h"

/* Names of one function that the dynamic linker knows; further ones do not matter. */
#define ALIASES_MAX 8

/* A function that a spec means; of several with one address the first counts, and holds what is
 * known of the function. */
struct match {
    struct symbol symbol; /* with the best of its names; NULL: it has none */
    size_t spec;
    const char *refused; /* why it must not be wrapped, or NULL */
    const char *aliases[ALIASES_MAX];
    size_t alias_count;
};

/* Fills `matches` in the order of addresses, then of specs, and notes in the specs what was seen of
 * their modules. True when the object is meant by a spec at all; then `symbols`, which hold the
 * matches' names, are to be closed. */
bool match_find(const struct list *specs, const struct object *object, struct symbols *symbols,
                struct list *matches);

#endif

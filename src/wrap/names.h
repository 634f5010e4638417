/*
 * Names of functions as compilers write them and as users do.
 */
#ifndef WRAP_NAMES_H
#define WRAP_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Long enough for what people write; longer demangled names are cut for messages and do not match
 * what goes on behind. */
#define NAME_MAX_LENGTH 2048

/* A symbol's name, made ready to be compared with several patterns. */
struct name {
    char symbol[NAME_MAX_LENGTH]; /* without its version */
    char plain[NAME_MAX_LENGTH];  /* without the ending of a clone, too */
    bool part;                    /* of a function, outlined by the compiler: foo.part.0 */
    bool mangled;                 /* C++ or Rust: the forms below can be made */
    unsigned made;                /* of the forms, as bits */
    char forms[3][NAME_MAX_LENGTH];
};

/* False for what no call enters and no pattern matches: foo.cold. */
bool name_set(struct name *name, const char *symbol);

/* Whether a pattern means the function: as a symbol, or, of a C++ function, as the name without
 * parameters, with them, or with the result type of a template before them; of a Rust function, as
 * the path without the compiler's hash, or with it. A compiler's clones (.isra, .constprop) also go
 * by the name of the function; an outlined part (.part) only by a pattern that has the dot. What
 * has another ending is another function (f._omp_fn.0, the body of a parallel region of f). */
bool name_matches(struct name *name, const char *pattern);

/* For people: the C++ name with its parameters, the Rust path, or the symbol. */
const char *name_shown(struct name *name);

#endif

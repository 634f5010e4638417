/*
 * Functions that are not wrapped, and why.
 */
#ifndef WRAP_REFUSE_H
#define WRAP_REFUSE_H

#include <stdbool.h>

#include "wrap/object.h"
#include "wrap/symbols.h"

/* Notes the functions that the shim's own object files call or define; to be called for each of
 * them before refuse_reason. */
void refuse_note_own(const struct object *object);

/* NULL, or why this symbol's function must not be wrapped. */
const char *refuse_reason(const struct object *object, const struct symbol *symbol);

/* NULL, or why no function of the object must be wrapped. */
const char *refuse_object(const struct object *object, const struct symbols *symbols);

/* Whether a pattern with globs passes the symbol over silently: what compiler and linker add to
 * every module, and what a pattern for a library's functions does not mean. */
bool refuse_silently(const char *name);

#endif

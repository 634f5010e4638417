/*
 * Functions that are not called as the platform's ABI says.
 */
#ifndef WRAP_CONVENTION_H
#define WRAP_CONVENTION_H

#include "wrap/object.h"
#include "wrap/symbols.h"

/* NULL, or why this symbol's function cannot be wrapped. */
const char *convention_refuse(const struct object *object, const struct symbol *symbol);

#endif

/*
 * Where the program draws the memory of its exceptions, when the C++ runtime is a part of it
 * (-static-libstdc++): to that memory a scope that is left by the exception must not be the end.
 */
#ifndef ROUTE_THROWER_H
#define ROUTE_THROWER_H

#include "memory/region.h"

/* The code of the runtime's functions that draw exceptions, as the symbol table of the program's
 * file tells; size 0 when there is no such code, or no symbol table. Once, at start. */
struct region thrower_find(void);

#endif

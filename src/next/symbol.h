/*
 * Functions of the same name behind this library in the order of search, or in front of it where
 * there are none.
 */
#ifndef NEXT_SYMBOL_H
#define NEXT_SYMBOL_H

/* NULL when there is none. May allocate, as dlsym does. */
void *next_symbol(const char *name);

#endif

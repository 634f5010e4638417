/*
 * Functions by their names, in the order in which the dynamic linker searches for the program.
 */
#ifndef NEXT_SYMBOL_H
#define NEXT_SYMBOL_H

/* The first behind this library or, where none is, the first of all unless that is this library's.
 * NULL when there is none. May allocate, as dlsym does. */
void *next_symbol(const char *name);

/* The one that the program calls. */
void *first_symbol(const char *name);

#endif

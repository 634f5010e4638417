/*
 * Parts of the shim that are libraries of their own, loaded only when something asks for them.
 */
#ifndef NEXT_PART_H
#define NEXT_PART_H

/* Loads the library `file` and finds its one symbol; NULL when there is none, which
 * part_say_missing then tells. By the shim's constructor. */
void *part_load(const char *file, const char *symbol);

/* One line: the consequence, the file, the reason. */
void part_say_missing(const char *consequence, const char *file);

#endif

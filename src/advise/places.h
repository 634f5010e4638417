/*
 * Places in code: from an object file and an offset in it to function, source file and line, by
 * symbol tables, debug information and separate debug files (by build ID or .gnu_debuglink, on this
 * machine alone).
 *
 * An offset is what addr2line(1) takes: the address less the load base. Files are opened once and
 * kept.
 */
#ifndef ADVISE_PLACES_H
#define ADVISE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "advise/advice.h"

/* The entry of the function, some part of which begins at the offset: itself, but for parts that
 * the compiler has moved away (NAME.cold). */
uint64_t places_entry(const char *module, uint64_t offset);

/* The function that is entered there; to be freed by places_free. */
void places_function(const char *module, uint64_t offset, struct place *place);
void places_free(struct place *place);

/* The length of a function's name without its parameters. */
size_t places_bare(const char *name);

/* Whether the program is started there: the file's entry point. */
bool places_is_start(const char *module, uint64_t offset);

/* Whether functions are called there, as far as the unwind table knows: it is not where code goes
 * on that has been called elsewhere. */
bool places_is_called(const char *module, uint64_t offset);

/* The function of a frame that begins at `function` and returns to `offset`, and before it those
 * that are inlined there, the innermost first; at most `most`. Returns how many. The names and
 * lines are those of the call in each. Each is to be freed. */
size_t places_frames(const char *module, uint64_t function, uint64_t offset, struct place *frames,
                     size_t most);

/* The call that returns to `offset`: function, or module and offset where no symbol table names it,
 * file and line; to be freed by places_free. */
void places_call(const char *module, uint64_t offset, struct place *place);

/* How a spec names the function, and no other, of the files that are loaded under that base name:
 * by the full path where `whole` is set. To be freed. */
char *places_spec(const struct place *place, bool whole);

#endif

/*
 * Specs: how users name the functions whose calls are scopes.
 *
 *     [reset:|retain:][MODULE!]NAME      shell globs in MODULE and NAME
 *     [reset:|retain:]MODULE!+0xOFFSET   a function without a symbol, by the offset from the
 *                                        module's load base, as addr2line(1) takes it
 *
 * MODULE is a base name or a path; `main` is the program. NAME is the symbol, or the C++ name with
 * or without parameters.
 */
#ifndef WRAP_SPEC_H
#define WRAP_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "wrap/memory.h"

#define SPEC_ACCEPTED                                                                              \
    "a spec is [MODULE!]NAME or MODULE!+0xOFFSET, with reset: or retain: before it when wanted"

struct spec {
    const char *text;   /* as written */
    const char *source; /* where it was written: a variable, or a file */
    unsigned line;      /* in that file; 0: a variable */
    const char *module; /* a glob; NULL: not given */
    const char *name;   /* a glob; NULL: the offset counts */
    uintptr_t offset;
    bool retain;
    /* What came of it, for messages. */
    size_t matched;                          /* functions */
    size_t failed;                           /* of them cannot be wrapped */
    const char *failed_name, *failed_reason; /* of the first of them */
    const char *failed_nor;                  /* as in struct outcome */
    bool failed_said;
    bool module_seen; /* a module was looked through */
    bool stripped;    /* one that has no symbol table but the dynamic one, or it is unread */
    bool unread;      /* the file of one could not be read */
    bool unmatched_said;
};

/* Reads one spec from text[0 .. length), without blanks around it. NULL, or the reason why it is
 * none, as in "is not accepted: REASON". */
const char *spec_parse(const char *text, size_t length, bool retain, struct spec *spec);

/* Appends the specs of ARENASHIM_SCOPES, separated by semicolons, to a list of struct spec; a
 * malformed one is one line on stderr. Returns how many were malformed. */
size_t specs_read(struct list *specs, const char *text, bool retain);

/* The same for a file with one spec a line, blank lines and comments (#). A file that cannot be
 * read is one line, too, and counts as one. */
size_t specs_read_file(struct list *specs, const char *file, bool retain);

/* Appends where the spec stands and the spec in quotes: "ARENASHIM_SCOPES: 'main!f'". */
void spec_put(struct text *line, const struct spec *spec);

/* Whether a pattern has characters that make it more than a literal. */
bool spec_is_glob(const char *pattern);

/* Whether the pattern, taken literally or as a glob, is the text. */
bool spec_fits(const char *pattern, const char *text);

#endif

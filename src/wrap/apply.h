/*
 * Getting in front of the functions that the specs mean.
 *
 * First choice is a jump at the function's entry (patch.h): it catches every call. Where the entry
 * cannot be patched and the function is exported, what the dynamic linker binds to it is changed
 * instead (bindings.h).
 */
#ifndef WRAP_APPLY_H
#define WRAP_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "next/named_host.h"
#include "wrap/memory.h"
#include "wrap/object.h"
#include "wrap/spec.h"

enum how {
    HOW_ENTRY,   /* a jump at the entry */
    HOW_NOPS,    /* the same, in place of nops that are there for it */
    HOW_GOT,     /* by what the dynamic linker binds */
    HOW_NOT,     /* not at all */
    HOW_EARLIER, /* an earlier spec means it, too, and has settled it */
};

/* What came of one function that a spec means; kept for listings. */
struct outcome {
    size_t spec; /* its index */
    const char *label;
    uintptr_t offset; /* from the module's load base */
    size_t size;
    enum how how;
    size_t importers;   /* HOW_GOT: modules that call it or take its address */
    const char *reason; /* HOW_NOT */
    const char *nor;    /* HOW_NOT: why the second choice is none, either, or "" */
};

struct apply_job {
    const struct named_host *host;
    const struct list *specs;   /* of struct spec, whose counts are kept here */
    const struct list *objects; /* of struct object: all that are loaded */
    bool threads;               /* of the program run already, maybe in what is wrapped */
    struct list *outcomes;      /* of struct outcome; NULL: wrap. Else nothing is changed, and what
                                 * would come of it is appended */
};

/* Finds and wraps the functions of one object. */
void apply_object(const struct apply_job *job, const struct object *object);

/* The object is unloaded: nothing calls its functions any more. */
void apply_forget(const struct object *object);

#endif

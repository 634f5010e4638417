/*
 * Participation: which modules' own calls may be routed.
 *
 * A module is an object file in the process, found by an address in it. The default is that a
 * module participates from the first scope that it begins on; ARENASHIM_MODULES changes that.
 * Modules are entered in a table of fixed size as they are met and stay in it; lookups take no
 * lock.
 */
#ifndef SHIM_MODULES_H
#define SHIM_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "settings/config.h"

#define MODULES_MAX 512
#define MODULE_NAME_MAX 64

struct module {
    uintptr_t start, end;
    const void *identity; /* the loader's own name of the object; tells reused addresses apart */
    int index;
    bool ready;    /* the fields above and below are set */
    bool marked;   /* it has begun a scope */
    bool included; /* the user's list includes it whether marked or not */
    bool excluded; /* the user's list excludes it */
    bool is_main;
    bool is_wrapper;            /* the part that wraps functions: see named_host.h */
    char name[MODULE_NAME_MAX]; /* base name of its file, cut to fit */
};

/* The modules that one thread met last; spares it the search. All zero at first. */
#define MODULE_CACHE_SIZE 8
struct module_cache {
    struct module *recent[MODULE_CACHE_SIZE];
    unsigned next;
    unsigned generation; /* modules_generation when it was last emptied */
};

/* Goes up whenever modules may have been unloaded: what was remembered by address is void then. */
extern unsigned modules_generation;
void modules_unloaded(void);

/* The module that holds `address`, or NULL when no module does or the table is full. May be called
 * in a signal handler. */
struct module *modules_find(struct module_cache *cache, uintptr_t address);

/* Enters that the module has a mark. */
void modules_mark(struct module *module);

/* Whether the list has the word `marked`: then nobody takes part in a scope that retains, either,
 * who has no mark and is not named. */
bool modules_list_marked(void);

/* Sets `included` and `excluded` as ARENASHIM_MODULES says. Items apply from left to right, and the
 * last that matches wins. With main or all in the list, and marked not in it, a mark alone makes
 * no module participate. */
void modules_apply_list(struct module *module, const char *path);

/* Whether its calls are routed; `all` is true where modules need neither a mark nor a place in the
 * user's list. */
bool modules_participates(const struct module *module, bool all);

/* Appends "module+0xoffset" for an address of code, as addr2line(1) takes the offset of a library
 * or position-independent program; the address alone when it lies in no module. */
void modules_describe(struct text *line, uintptr_t address);

/* The table, for reports: entries 0 .. modules_count()-1 that are `ready`. */
int modules_count(void);
const struct module *modules_at(int index);

#endif

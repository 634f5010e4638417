/*
 * Participation: which modules' own calls may be routed.
 *
 * A module is an object file in the process, found by an address in it. The default is that a
 * module participates from the first scope that it begins on; ARENASHIM_MODULES changes that.
 * Modules are entered in a table of fixed size as they are met, and leave it when they are
 * unloaded: then their entry has no address, whoever remembers it, until it is another module's.
 * Lookups take no lock.
 */
#ifndef SHIM_MODULES_H
#define SHIM_MODULES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/text.h"
#include "memory/wiped.h"
#include "settings/config.h"

/* At once. */
#define MODULES_MAX 512
#define MODULE_NAME_MAX 64

struct module {
    uintptr_t start;
    size_t size;          /* bytes; 0: it is gone */
    const void *identity; /* the loader's own name of the object; tells reused addresses apart */
    uint64_t path;        /* a hash of its file's; the same */
    bool taken;           /* the entry is in use */
    bool marked;          /* it has begun a scope */
    bool included;        /* the user's list includes it whether marked or not */
    bool excluded;        /* the user's list excludes it */
    bool is_main;
    bool is_wrapper;            /* the part that wraps functions: see named_host.h */
    int number;                 /* of its name: see modules_name */
    char name[MODULE_NAME_MAX]; /* base name of its file, cut to fit */
};

/* The modules that one thread met last; spares it the search. All zero at first. */
#define MODULE_CACHE_SIZE 8
struct module_cache {
    struct module *recent[MODULE_CACHE_SIZE];
    unsigned next;
    unsigned generation; /* modules_generation when it was last emptied */
};

/* Goes up whenever a thread's next begin is to look around: a module may have been unloaded, or a
 * trim is asked for. Never less than 2 in a process that has been noticed: see wiped.h. */
static inline unsigned modules_generation(void)
{
    return wiped.generation;
}
void modules_next_generation(void);

/* True for the one thread of a process that nobody has noticed which notices it. */
bool modules_first_generation(void);

/* Goes up when a module may have been unloaded: what was remembered by address is void then. */
extern HIDDEN unsigned modules_unloads;

/* The module that holds the address is being unloaded, and nothing of it runs any more: it leaves
 * the table. */
void modules_unload(uintptr_t address);

/* Something may have been unloaded: what is not there any more leaves the table. */
void modules_sweep(void);

/* Whether a module of the table lies there. */
bool modules_lie_at(uintptr_t start, size_t size);

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

/* The file of the module that holds the address, in full, and the offset that addr2line takes;
 * `path` is the entry's. False when nothing is known of that module any more. */
bool modules_file(uintptr_t address, uint64_t path, char name[PATH_MAX], uintptr_t *offset);

/* The names of all modules that there have been, for statistics, which outlast them: 0 ..
 * modules_names() - 1. NULL while a name is being entered. Further ones share the last number. */
#define MODULE_NAMES_MAX 512
int modules_names(void);
const char *modules_name(int number);

#endif

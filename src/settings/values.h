/*
 * What the settings are: the values that each may have, and the record of all of them.
 */
#ifndef SETTINGS_VALUES_H
#define SETTINGS_VALUES_H

#include <stdbool.h>
#include <stddef.h>

enum overflow_policy { OVERFLOW_GROW, OVERFLOW_FALLBACK, OVERFLOW_ERROR, OVERFLOW_ABORT };
enum stats_format { STATS_TEXT, STATS_JSON };

/* Scopes that nobody marks; see automatic.h. */
enum automatic_scopes { SCOPES_NONE, SCOPES_THREAD, SCOPES_PROCESS };

/* How scopes end (retain.h); by default marks reset, and scopes named from outside retain. */
enum scope_end { END_DEFAULT, END_RESET, END_RETAIN };

/* Switches of ARENASHIM_DEBUG, a set of bits; see debug.h. */
enum debug_switch {
    DEBUG_POISON = 1,
    DEBUG_QUARANTINE = 2,
    DEBUG_VERIFY = 4,
    DEBUG_LOG = 8,
};

/* Values that ARENASHIM_ALIGN accepts: powers of two in this range, in bytes. */
#define ALIGN_MIN ((size_t)16)
#define ALIGN_MAX ((size_t)4096)

/* Values that ARENASHIM_CAPACITY and ARENASHIM_LIMIT accept, in bytes. */
#define CAPACITY_MIN ((size_t)4096)
#define CAPACITY_MAX ((size_t)1 << 40)

/* What ARENASHIM_CAPACITY is by default: 1M. */
#define CAPACITY_DEFAULT ((size_t)1 << 20)

/* The most that ARENASHIM_STACK accepts, in bytes. */
#define STACK_MAX ((size_t)4096)

/* Bytes of a name of a file, or of ARENASHIM_SCOPES, with its NUL. */
#define CONFIG_NAME_SIZE 4096

/* With this before the name of the statistics file, which means nothing else there, `arenashim run`
 * or `arenashim check` waits for them. */
#define STATS_ATTENDED "%b"

/* Then, behind the name, that of a file that holds the program's name, and is there from the first
 * scope of a process to its statistics, or to another program in its place. */
#define STATS_BEGUN ".begun"

struct config {
    size_t capacity;      /* bytes of an arena kept warm; a multiple of the page size */
    bool capacity_is_set; /* by the user; else an arena keeps what its scopes come to, if more */
    size_t limit;         /* bytes an arena may grow to; likewise, and >= capacity */
    bool limit_is_set;    /* by the user */
    size_t align;         /* every routed block is aligned to this */
    enum overflow_policy overflow;
    enum stats_format stats;
    enum automatic_scopes scopes;
    enum scope_end end;
    size_t stack;   /* bytes of arguments on the stack that wrapped calls pass on */
    unsigned debug; /* of enum debug_switch */
    bool stats_at_exit;
    bool attended;    /* a command waits for the statistics: see STATS_ATTENDED */
    int rank;         /* in a parallel job; RANK_NONE: there is none (rank.h) */
    bool rank_listed; /* ARENASHIM_RANKS holds it, or says nothing */
    bool disabled;
    bool follow;                  /* children get the shim, too */
    bool memcheck;                /* idle where memcheck does not watch: see environment.h */
    bool scope_strict;            /* a spec that cannot be applied ends the process */
    bool scope_list;              /* what the specs match is printed, and the process ends */
    char specs[CONFIG_NAME_SIZE]; /* ARENASHIM_SCOPES without `thread` and `process` */
    bool specs_marked; /* a process has been here before, which speaks of what is wrong with them */
    bool specs_inherited;              /* and it was another than this one */
    char scope_file[CONFIG_NAME_SIZE]; /* further specs; "" is none */
    char watch[CONFIG_NAME_SIZE];      /* the record of `arenashim advise`; "" is none */
    char modules[1024];                /* ARENASHIM_MODULES as given; "" is the default */
    char stats_file[CONFIG_NAME_SIZE]; /* pattern, see libarenashim(7); "" is stderr */
};

#endif

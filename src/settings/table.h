/*
 * The one table of settings: what each is called, as a variable of the environment and as an option
 * of the command, what it accepts, and what reads it. The shim ignores what is not accepted, with a
 * line on stderr; the command refuses it, so that a typing error never runs a program with other
 * settings than its user believes.
 *
 * For the shim and the command alike: nothing here looks at the environment or allocates.
 */
#ifndef SETTINGS_TABLE_H
#define SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "settings/values.h"

enum setting_id {
    SETTING_CAPACITY,
    SETTING_LIMIT,
    SETTING_OVERFLOW,
    SETTING_ALIGN,
    SETTING_MODULES,
    SETTING_SCOPES,
    SETTING_SCOPE_FILE,
    SETTING_SCOPE_STRICT,
    SETTING_SCOPE_LIST,
    SETTING_END,
    SETTING_STACK,
    SETTING_DEBUG,
    SETTING_STATS,
    SETTING_STATS_FILE,
    SETTING_RANK, /* read before the next, which looks at it */
    SETTING_RANKS,
    SETTING_FOLLOW,
    SETTING_MEMCHECK,
    SETTING_WATCH,
    SETTING_DISABLE,
    SETTINGS,
};

struct setting {
    const char *variable;
    const char *accepted; /* completes "it takes ..." */

    /* Enters the value into `config`; false, and nothing is entered, when it is not accepted. */
    bool (*read)(const struct setting *setting, struct config *config, const char *value);
    size_t field;             /* where in `config` the value goes */
    const char *const *words; /* that the value may be, or be a comma list of */
    size_t word_count;

    /* As an option of `arenashim run`. */
    const char *option;   /* long option without its dashes; NULL: there is none */
    const char *argument; /* as help shows it: "=SIZE", "[=FORMAT]", or "" when it has none */
    const char *summary;  /* what it does, in a few words */
    const char *bare;     /* value of the option given without one; NULL: it needs one */
    const char *option_accepted; /* `accepted` of the option; NULL: the same */
    bool is_pattern;             /* % is special in it */
    bool is_path;                /* made absolute: the program may change its directory */
    bool repeats;                /* further values are appended, behind semicolons */
    bool not_checked;            /* no option of `arenashim check`, which sets it itself */
};

extern const struct setting settings[SETTINGS];

/* The length of "%{PID}", the mark of a process (environment.h), at the start of the text; 0 when
 * there is none. */
size_t setting_mark(const char *text, bool *is_own);

/* The descriptor that a file name such as /dev/stdout, /dev/fd/3 or /proc/self/fd/3 stands for; -1
 * for any other name. */
int setting_descriptor(const char *name);

#endif

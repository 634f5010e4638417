/*
 * The shim's settings as options of `arenashim run`: one table of option, ARENASHIM_ variable and
 * grammar. The grammars are those of the shim itself, but what the shim ignores with a line on
 * stderr is refused here, so that a typing error never runs a program with other settings than
 * its user believes.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

enum setting_id {
    SETTING_CAPACITY,
    SETTING_LIMIT,
    SETTING_OVERFLOW,
    SETTING_ALIGN,
    SETTING_MODULES,
    SETTING_SCOPE,
    SETTING_SCOPE_FILE,
    SETTING_SCOPE_STRICT,
    SETTING_END,
    SETTING_STACK,
    SETTING_DEBUG,
    SETTING_STATS,
    SETTING_STATS_FILE,
    SETTING_NO_FOLLOW,
    SETTINGS,
};

struct setting {
    const char *option;   /* long option without its dashes */
    const char *variable; /* environment variable that it sets */
    const char *usage;    /* the option with its value, as help shows it */
    const char *summary;  /* what it does, in a few words */
    const char *accepted; /* completes "it takes ..." */
    const char *bare;     /* value of the option given without one; NULL: a value is required */
    bool (*accepts)(const char *value); /* NULL: the option takes no value, `bare` is meant */
    bool is_pattern;                    /* % is special in it */
    bool is_path;                       /* made absolute: the program may change its directory */
    bool repeats;                       /* further values are appended, behind semicolons */
};

extern const struct setting settings[SETTINGS];

/* Puts `value` (NULL: none was given) into the setting's variable, or exits with EXIT_CANCELED
 * and one line that names the option, the value and what is accepted. */
void setting_apply(enum setting_id id, const char *value);

/* Whether the shim will be told of functions whose calls are scopes. */
bool settings_name_functions(void);

/* Exits likewise when the settings do not go together: a limit below the capacity, of which at
 * least one was applied here. To be called after the last setting_apply. */
void settings_check(void);

#endif

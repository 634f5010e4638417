/*
 * The shim's settings (settings/table.h) as options of the subcommands, which put their values
 * into the environment.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stdbool.h>

#include "settings/table.h"

/* Completes "it takes ..." of the option. */
const char *setting_accepted(const struct setting *setting);

/* Prints a line of help for each option from `first` to `last`; `for_check`: that `arenashim check`
 * has. */
void settings_help(enum setting_id first, enum setting_id last, bool for_check);

/* An option that not all subcommands have; a list ends at the name NULL. */
struct own_option {
    const char *name;
    const char *accepted; /* completes "it takes ..." */
    const char *bare;     /* the value where none is given; NULL: it needs one */
    const char **value;
    bool repeats; /* further values are appended, behind newlines */
};
#define OWN_OPTIONS_MOST 8

/* Applies the options of `command` before the operands and leaves optind at the first operand.
 * Returns the value of --shim, or NULL. --help, --version and what is not accepted end the process.
 */
const char *settings_options(int argc, char **argv, const char *command, void (*help)(void),
                             bool for_check, const struct own_option *own);

/* Puts `value` (NULL: none was given) into the setting's variable, or exits with EXIT_CANCELED
 * and one line that names the option, the value and what is accepted. */
void setting_apply(enum setting_id id, const char *value);

/* Whether that has been done. */
bool setting_is_applied(enum setting_id id);

/* Whether the shim will be told of functions whose calls are scopes. */
bool settings_name_functions(void);

/* Exits likewise when the settings do not go together: a limit below the capacity, of which at
 * least one was applied here. To be called after the last setting_apply. */
void settings_check(void);

#endif

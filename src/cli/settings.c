#include "cli/settings.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "base/parse.h"
#include "cli/cli.h"

enum { OPTION_SHIM = OPTION_OWN, OPTION_SETTING, OPTION_LISTED = OPTION_SETTING + SETTINGS };

#define OPTIONS_MOST (SETTINGS + OWN_OPTIONS_MOST + 4)

/* The shim reads specs; what can be no spec at all is refused here. */
static bool may_be_spec(const char *value)
{
    static const char *const prefixes[] = {"reset:", "retain:"};
    if (strchr(value, ';'))
        return false;
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(value, prefixes[i], length) == 0 && value[length] != ':')
            value += length;
    }
    size_t length = strlen(value);
    return length > 0 && *value != '!' && *value != '+' &&
           (value[length - 1] != '!' || strstr(value, "operator!"));
}

static bool is_accepted(const struct setting *setting, const char *value)
{
    struct config ignored = {.specs = ""};
    if (!setting->read(setting, &ignored, value))
        return false;
    if (setting == &settings[SETTING_SCOPES])
        return may_be_spec(value);
    return setting != &settings[SETTING_SCOPE_FILE] || access(value, R_OK) == 0;
}

const char *setting_accepted(const struct setting *setting)
{
    return setting->option_accepted ? setting->option_accepted : setting->accepted;
}

static bool applied[SETTINGS];

/* The current directory with a slash behind it, of which a percent sign means itself where the
 * value is a pattern. To be freed; NULL when it cannot be had. */
static char *directory_of(const struct setting *setting)
{
    char *directory = getcwd(NULL, 0);
    char *made = directory ? malloc(2 * strlen(directory) + 2) : NULL, *to = made;
    for (const char *from = directory; made && *from != '\0'; from++) {
        if (*from == '%' && setting->is_pattern)
            *to++ = '%';
        *to++ = *from;
    }
    if (made)
        strcpy(to, "/");
    free(directory);
    return made;
}

/* The value to be set: as given, absolute, or behind the ones before. */
static char *final_value(const struct setting *setting, const char *value, bool further)
{
    const char *before = further && setting->repeats ? getenv(setting->variable) : NULL;
    char *made = NULL, *directory = NULL;
    int length = -1;
    if (before)
        length = asprintf(&made, "%s;%s", before, value);
    else if (!setting->is_path || *value == '/')
        length = asprintf(&made, "%s", value);
    else if ((directory = directory_of(setting)) != NULL)
        length = asprintf(&made, "%s%s", directory, value);
    free(directory);
    return length < 0 ? NULL : made;
}

static noreturn void refuse(const struct setting *setting, const char *value)
{
    errx(EXIT_CANCELED, "--%s='%s' is not accepted; it takes %s", setting->option, value,
         setting_accepted(setting));
}

void setting_apply(enum setting_id id, const char *value)
{
    const struct setting *setting = &settings[id];
    if (!value)
        value = setting->bare;
    if (!is_accepted(setting, value))
        refuse(setting, value);
    char *made = final_value(setting, value, applied[id]);
    if (made && setting->is_path && !is_accepted(setting, made))
        refuse(setting, made); /* too long with the directory */
    if (!made || setenv(setting->variable, made, 1) != 0)
        err(EXIT_CANCELED, "cannot set %s", setting->variable);
    free(made);
    applied[id] = true;
}

bool setting_is_applied(enum setting_id id)
{
    return applied[id];
}

bool settings_name_functions(void)
{
    const char *file = getenv(settings[SETTING_SCOPE_FILE].variable);
    const char *list = getenv(settings[SETTING_SCOPES].variable);
    if (file && *file != '\0')
        return true;
    while (list && *list != '\0') {
        size_t length = strcspn(list, ";");
        if (length > 0 && !parse_is(list, length, "thread") && !parse_is(list, length, "process"))
            return true;
        list += length + (list[length] != '\0');
    }
    return false;
}

void settings_check(void)
{
    /* Two inherited values are for the shim to judge. */
    if (!applied[SETTING_CAPACITY] && !applied[SETTING_LIMIT])
        return;
    const struct setting *capacity = &settings[SETTING_CAPACITY], *limit = &settings[SETTING_LIMIT];
    struct config config = {.capacity = CAPACITY_DEFAULT, .limit = 0};
    const char *capacity_value = getenv(capacity->variable), *limit_value = getenv(limit->variable);
    /* The shim ignores what it does not accept. */
    if (!capacity_value || !capacity->read(capacity, &config, capacity_value))
        capacity_value = "1M";
    if (limit_value && limit->read(limit, &config, limit_value) && config.limit < config.capacity)
        errx(EXIT_CANCELED,
             "--limit (ARENASHIM_LIMIT) '%s' is not accepted with --capacity (ARENASHIM_CAPACITY) "
             "'%s'; it takes at least the capacity",
             limit_value, capacity_value);
}

/* ---- as options -------------------------------------------------------------------------------
 */

static noreturn void missing_value(int option, const struct own_option *own)
{
    if (option >= OPTION_LISTED)
        errx(EXIT_CANCELED, "--%s needs a value; it takes %s", own[option - OPTION_LISTED].name,
             own[option - OPTION_LISTED].accepted);
    if (option == OPTION_SHIM)
        errx(EXIT_CANCELED, "--shim needs a value; it takes a readable shared library");
    const struct setting *setting = &settings[option - OPTION_SETTING];
    errx(EXIT_CANCELED, "--%s needs a value; it takes %s", setting->option,
         setting_accepted(setting));
}

static bool is_option(const struct setting *setting, bool for_check)
{
    return setting->option && !(for_check && setting->not_checked);
}

void settings_help(enum setting_id first, enum setting_id last, bool for_check)
{
    for (const struct setting *s = &settings[first]; s <= &settings[last]; s++)
        if (is_option(s, for_check))
            printf("  --%s%-*s  %s\n", s->option, 18 - (int)strlen(s->option), s->argument,
                   s->summary);
}

/* Fills in what getopt_long needs to know, with a zero entry at the end. */
static void list_options(struct option options[OPTIONS_MOST], bool for_check,
                         const struct own_option *own)
{
    *options++ = (struct option){"help", no_argument, NULL, OPTION_HELP};
    *options++ = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    *options++ = (struct option){"shim", required_argument, NULL, OPTION_SHIM};
    for (int i = 0; i < SETTINGS; i++) {
        if (!is_option(&settings[i], for_check))
            continue;
        int has_value = *settings[i].argument == '\0' ? no_argument
                        : settings[i].bare            ? optional_argument
                                                      : required_argument;
        *options++ = (struct option){settings[i].option, has_value, NULL, OPTION_SETTING + i};
    }
    for (int i = 0; own[i].name; i++)
        *options++ =
            (struct option){own[i].name, own[i].bare ? optional_argument : required_argument, NULL,
                            OPTION_LISTED + i};
    *options = (struct option){NULL, 0, NULL, 0};
}

static void set_own(const struct own_option *own, const char *value)
{
    if (!value)
        value = own->bare;
    *own->value = own->repeats && *own->value ? need_text("%s\n%s", *own->value, value) : value;
}

const char *settings_options(int argc, char **argv, const char *command, void (*help)(void),
                             bool for_check, const struct own_option *own)
{
    struct option options[OPTIONS_MOST];
    list_options(options, for_check, own);
    const char *shim = NULL;
    for (;;) {
        const char *argument = argv[optind];
        int option = getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL);
        switch (option) {
        case -1:
            return shim;
        case OPTION_HELP:
            help();
            finish_output();
        case OPTION_VERSION:
            print_version();
        case OPTION_SHIM:
            shim = optarg;
            break;
        case ':':
            missing_value(optopt, own);
        case '?':
            bad_option(command, argument);
        default:
            if (option >= OPTION_LISTED)
                set_own(&own[option - OPTION_LISTED], optarg);
            else
                setting_apply((enum setting_id)(option - OPTION_SETTING), optarg);
        }
    }
}

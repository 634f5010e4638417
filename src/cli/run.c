/*
 * arenashim run: puts the settings and LD_PRELOAD into the environment and becomes the program.
 * arenashim scopes: the same, and the shim ends the program before its main.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/program.h"
#include "cli/settings.h"

enum { OPTION_SHIM = OPTION_OWN, OPTION_SETTING };

/* Prints a line of help for each option from `first` to `last`. */
static void list_settings(size_t first, size_t last)
{
    for (const struct setting *s = &settings[first]; s <= &settings[last]; s++)
        if (s->option)
            printf("  --%s%-*s  %s\n", s->option, 18 - (int)strlen(s->option), s->argument,
                   s->summary);
}

void run_help(void)
{
    fputs("Usage: arenashim run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "Run PROGRAM with libarenashim.so preloaded, before what LD_PRELOAD already holds.\n\n",
          stdout);
    list_settings(SETTING_CAPACITY, SETTINGS - 1);
    fputs("  --shim=FILE           preload FILE instead of the libarenashim.so of this command\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "SIZE is a number of bytes with an optional suffix K, M or G (powers of 1,024).\n"
          "An option that is not given leaves its ARENASHIM_ variable as it is.\n"
          "\n"
          "Exit status: PROGRAM's own, 125 when arenashim fails, 126 when PROGRAM cannot be\n"
          "executed, 127 when it is not found. See arenashim(1) and libarenashim(7).\n",
          stdout);
}

void scopes_help(void)
{
    fputs(
        "Usage: arenashim scopes [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
        "List the functions that each --scope means in PROGRAM, where they are, and how calls of\n"
        "them would be made scopes. PROGRAM is loaded, but its main does not run.\n\n",
        stdout);
    list_settings(SETTING_SCOPES, SETTING_END);
    fputs(
        "  --help                print this help and exit\n"
        "  --version             print the version and exit\n"
        "\n"
        "The other options of arenashim run are accepted, too.\n"
        "\n"
        "Exit status: 0 when the list was printed, 125 when arenashim fails or, with\n"
        "--scope-strict, when one of them cannot be a scope, 126 when PROGRAM cannot be executed,\n"
        "127 when it is not found. See arenashim(1).\n",
        stdout);
}

static noreturn void missing_value(int option)
{
    if (option == OPTION_SHIM)
        errx(EXIT_CANCELED, "--shim needs a value; it takes a readable shared library");
    const struct setting *setting = &settings[option - OPTION_SETTING];
    errx(EXIT_CANCELED, "--%s needs a value; it takes %s", setting->option,
         setting_accepted(setting));
}

/* Fills in what getopt_long needs to know, with a zero entry at the end. */
static void list_options(struct option options[SETTINGS + 4])
{
    *options++ = (struct option){"help", no_argument, NULL, OPTION_HELP};
    *options++ = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    *options++ = (struct option){"shim", required_argument, NULL, OPTION_SHIM};
    for (int i = 0; i < SETTINGS; i++) {
        if (!settings[i].option)
            continue;
        int has_value = *settings[i].argument == '\0' ? no_argument
                        : settings[i].bare            ? optional_argument
                                                      : required_argument;
        *options++ = (struct option){settings[i].option, has_value, NULL, OPTION_SETTING + i};
    }
    *options = (struct option){NULL, 0, NULL, 0};
}

/* Applies the options before the operands and leaves optind at the first operand. Returns the
 * value of --shim, or NULL. */
static const char *read_options(int argc, char **argv, const char *command, void (*help)(void))
{
    struct option options[SETTINGS + 4];
    list_options(options);
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
            missing_value(optopt);
        case '?':
            bad_option(command, argument);
        default:
            setting_apply((enum setting_id)(option - OPTION_SETTING), optarg);
        }
    }
}

/* Puts the shim before the libraries that LD_PRELOAD already names: an allocator among them
 * becomes the one that the shim hands calls on to. */
static void preload(const char *shim)
{
    const char *others = getenv("LD_PRELOAD");
    char *list = NULL;
    if (others && *others && asprintf(&list, "%s:%s", shim, others) < 0)
        err(EXIT_CANCELED, "cannot set LD_PRELOAD");
    if (setenv("LD_PRELOAD", list ? list : shim, 1) != 0)
        err(EXIT_CANCELED, "cannot set LD_PRELOAD");
    free(list);
}

static noreturn void become(char **program)
{
    execvp(program[0], program);
    err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE, "cannot run '%s'", program[0]);
}

void run_command(int argc, char **argv)
{
    char shim[PATH_MAX], path[PATH_MAX];
    const char *given = read_options(argc, argv, "arenashim run", run_help);
    settings_check();
    if (optind == argc)
        usage_error("arenashim run", "no program to run was given");
    char **program = argv + optind;
    locate_shim(given, shim);
    if (!program_find(program[0], path) ||
        program_examine(program[0], path, shim, RUNS_WITHOUT) != PROGRAM_ENDANGERED)
        preload(shim);
    become(program);
}

/* Whatever keeps the shim out would let main run, and is an error here. */
void scopes_command(int argc, char **argv)
{
    char shim[PATH_MAX], path[PATH_MAX];
    const char *given = read_options(argc, argv, "arenashim scopes", scopes_help);
    settings_check();
    if (optind == argc)
        usage_error("arenashim scopes", "no program to look at was given");
    if (!settings_name_functions())
        usage_error("arenashim scopes", "no function is named, by --scope or --scope-file");
    char **program = argv + optind;
    locate_shim(given, shim);
    if (program_find(program[0], path)) {
        if (program_examine(program[0], path, shim, "its functions cannot be listed") !=
            PROGRAM_REACHED)
            exit(EXIT_CANCELED);
        preload(shim);
    }
    if (setenv("ARENASHIM_SCOPE_LIST", "1", 1) != 0 || setenv("ARENASHIM_DISABLE", "0", 1) != 0)
        err(EXIT_CANCELED, "cannot set ARENASHIM_SCOPE_LIST");
    become(program);
}

/*
 * The arenashim command: picks the subcommand and says what all of them say alike.
 */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/cli.h"

struct command {
    const char *name;
    void (*run)(int argc, char **argv);
    void (*help)(void);
};

static noreturn void help_command(int argc, char **argv);

static void general_help(void)
{
    fputs("Usage: arenashim run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "       arenashim scopes [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "       arenashim check [--] PROGRAM [ARGUMENT]...\n"
          "       arenashim help [COMMAND]\n"
          "       arenashim --help | --version\n"
          "\n"
          "  run     run PROGRAM with libarenashim.so preloaded: in the scopes that it marks, "
          "malloc\n"
          "          draws from the thread's arena\n"
          "  scopes  list the functions that specs of scopes mean in PROGRAM, and do not run it\n"
          "  check   do so under Valgrind, and fail on leaks and misuse\n"
          "  help    describe a COMMAND and its options\n"
          "\n"
          "See arenashim(1) and libarenashim(7).\n",
          stdout);
}

static const struct command commands[] = {
    {"run", run_command, run_help},
    {"scopes", scopes_command, scopes_help},
    {"check", check_command, check_help},
    {"help", help_command, general_help},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    usage_error("arenashim", "'%s' is not a command; there are run, scopes, check and help", name);
}

static void help_command(int argc, char **argv)
{
    read_common_options(argc, argv, "arenashim", general_help);
    if (argc - optind > 1)
        usage_error("arenashim", "'help' takes one command; '%s' is one too many",
                    argv[optind + 1]);
    find_command(optind < argc ? argv[optind] : "help")->help();
    finish_output();
}

void read_common_options(int argc, char **argv, const char *command, void (*help)(void))
{
    static const struct option options[] = {
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    const char *argument = argv[optind];
    switch (getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL)) {
    case -1:
        return;
    case OPTION_HELP:
        help();
        finish_output();
    case OPTION_VERSION:
        print_version();
    default:
        bad_option(command, argument);
    }
}

void finish_output(void)
{
    bool failed = ferror(stdout) != 0;
    if (fclose(stdout) != 0 || failed)
        err(EXIT_CANCELED, "cannot write to standard output");
    exit(EXIT_SUCCESS);
}

void print_version(void)
{
    puts("arenashim " ARENASHIM_VERSION);
    finish_output();
}

void usage_error(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "; see '%s --help'\n", command);
    va_end(arguments);
    exit(EXIT_CANCELED);
}

void bad_option(const char *command, const char *argument)
{
    usage_error(command, "option '%s' is unknown, ambiguous or takes no value", argument);
}

int main(int argc, char **argv)
{
    opterr = 0;
    read_common_options(argc, argv, "arenashim", general_help);
    if (optind >= argc)
        usage_error("arenashim", "no command was given");

    argc -= optind;
    argv += optind;
    optind = 1;
    find_command(argv[0])->run(argc, argv);
}

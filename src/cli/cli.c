#include "cli/cli.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

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

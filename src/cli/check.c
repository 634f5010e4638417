/*
 * arenashim check: becomes the script that runs a program under Valgrind, and tells it by the
 * environment which shim to preload (ARENASHIM_SHIM) and with what settings.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/program.h"
#include "cli/settings.h"

void check_help(void)
{
    fputs("Usage: arenashim check [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "Run PROGRAM with the shim under Valgrind's memcheck, and fail on a leak, an invalid\n"
          "access, a scope left open, a misused mark or block, or when no call at all was\n"
          "routed. Processes that it forks are checked with it, but for leaks.\n"
          "\n",
          stdout);
    settings_help(SETTING_CAPACITY, SETTINGS - 1, true);
    fputs("  --shim=FILE           preload FILE instead of the libarenashim.so of this command\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Exit status: 0 when nothing is wrong, 99 when something is, 125 when arenashim fails\n"
          "or, with --scope-strict, when a function cannot be a scope, 126 when PROGRAM cannot be\n"
          "executed, 127 when it is not found, and else PROGRAM's own. See arenashim(1).\n",
          stdout);
}

void check_command(int argc, char **argv)
{
    static const struct own_option none[] = {{NULL, NULL, NULL}};
    char shim[PATH_MAX], script[PATH_MAX], path[PATH_MAX];
    const char *given = settings_options(argc, argv, "arenashim check", check_help, true, none);
    settings_check();
    if (optind == argc)
        usage_error("arenashim check", "no program to check was given");
    locate_shim(given, shim);
    locate_check_script(script);

    /* Found here rather than by Valgrind, whose own status for a missing program is no promise. */
    char **program = argv + optind;
    if (!program_find(program[0], path))
        err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE, "cannot run '%s'", program[0]);
    if (program_examine(program[0], path, shim, "it cannot be checked") == PROGRAM_ENDANGERED)
        exit(EXIT_CANCELED);
    if (setenv("ARENASHIM_SHIM", shim, 1) != 0)
        err(EXIT_CANCELED, "cannot set ARENASHIM_SHIM");

    /* The element before the program is "--" or the subcommand's name, and always ours. */
    program[-1] = script;
    execv(script, program - 1);
    err(EXIT_CANCELED, "cannot run '%s'", script);
}

/*
 * arenashim check: becomes the script that runs a program under Valgrind, and tells it by the
 * environment variable ARENASHIM_SHIM which shim to preload.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/program.h"

void check_help(void)
{
    fputs("Usage: arenashim check [--] PROGRAM [ARGUMENT]...\n"
          "Run PROGRAM with the shim under Valgrind's memcheck, and fail on a leak, an invalid\n"
          "access, a scope left open, a misused mark or block, or when no call at all was\n"
          "routed. Processes that it forks are checked with it, but for leaks.\n"
          "\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Exit status: 0 when nothing is wrong, 125 when arenashim fails, 126 when PROGRAM\n"
          "cannot be executed, 127 when it is not found, another when the check fails or PROGRAM\n"
          "does. See arenashim(1).\n",
          stdout);
}

void check_command(int argc, char **argv)
{
    char shim[PATH_MAX], script[PATH_MAX], path[PATH_MAX];
    read_common_options(argc, argv, "arenashim check", check_help);
    if (optind == argc)
        usage_error("arenashim check", "no program to check was given");
    locate_shim(NULL, shim);
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

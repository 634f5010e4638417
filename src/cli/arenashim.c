/*
 * The arenashim command: picks the subcommand.
 */
#include <stdio.h>
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
          "       arenashim advise [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "       arenashim report [OPTION]... FILE...\n"
          "       arenashim diff [--fail-over=PERCENT] BEFORE AFTER\n"
          "       arenashim top [OPTION]... PID\n"
          "       arenashim help [COMMAND]\n"
          "       arenashim --help | --version\n"
          "\n"
          "  run     run PROGRAM with libarenashim.so preloaded: in the scopes that it marks, "
          "malloc\n"
          "          draws from the thread's arena\n"
          "  scopes  list the functions that specs of scopes mean in PROGRAM, and do not run it\n"
          "  check   do so under Valgrind, and fail on leaks and misuse\n"
          "  advise  find the functions of PROGRAM that are worth a scope, and measure them\n"
          "  report  merge the statistics of processes, and show what they say\n"
          "  diff    compare the statistics of two runs, site by site\n"
          "  top     show what the shim does in a process that runs\n"
          "  help    describe a COMMAND and its options\n"
          "\n"
          "See arenashim(1) and libarenashim(7).\n",
          stdout);
}

static const struct command commands[] = {
    {"run", run_command, run_help},          {"scopes", scopes_command, scopes_help},
    {"check", check_command, check_help},    {"advise", advise_command, advise_help},
    {"report", report_command, report_help}, {"diff", diff_command, diff_help},
    {"top", top_command, top_help},          {"help", help_command, general_help},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    usage_error(
        "arenashim",
        "'%s' is not a command; there are run, scopes, check, advise, report, diff, top and "
        "help",
        name);
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

/*
 * What the parts of the arenashim command share: exit statuses and how it speaks.
 *
 * The command becomes the program it starts; nothing here outlives a successful exec. Every
 * failure is one line on stderr that begins with "arenashim: ".
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdnoreturn.h>

/* The statuses of env(1), stdbuf(1) and their kin; any other is the started program's own. */
enum {
    EXIT_CANCELED = 125,      /* arenashim itself failed */
    EXIT_CANNOT_INVOKE = 126, /* the program exists but cannot be executed */
    EXIT_NOT_FOUND = 127,     /* there is no such program */
};

/* Values that getopt_long returns for long options; above every character. */
enum { OPTION_HELP = 256, OPTION_VERSION, OPTION_OWN };

/* What program_examine says of a program that is run all the same. */
#define RUNS_WITHOUT "it runs without the shim"

/* Options end at the first operand; getopt_long reports a missing value as ':' and prints
 * nothing itself (opterr is 0). There are no short options. */
#define NO_SHORT_OPTIONS "+:"

/* The subcommands. argv[0] is the subcommand's name and getopt is about to read argv[1]. They
 * return only by exec or exit. */
noreturn void run_command(int argc, char **argv);
noreturn void scopes_command(int argc, char **argv);
noreturn void check_command(int argc, char **argv);
noreturn void advise_command(int argc, char **argv);
noreturn void report_command(int argc, char **argv);
noreturn void diff_command(int argc, char **argv);
noreturn void top_command(int argc, char **argv);

/* Print the subcommand's help on stdout. */
void run_help(void);
void scopes_help(void);
void check_help(void);
void advise_help(void);
void report_help(void);
void diff_help(void);
void top_help(void);

/* Reads --help and --version, all the options that `command` has, and leaves optind at the first
 * operand. */
void read_common_options(int argc, char **argv, const char *command, void (*help)(void));

/* Exit 0 after what was printed has reached stdout, or EXIT_CANCELED when it could not. */
noreturn void finish_output(void);
noreturn void print_version(void);

/* Exits with EXIT_CANCELED and a line that points to the help of `command` ("arenashim run"). */
noreturn void usage_error(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
noreturn void bad_option(const char *command, const char *argument);

#endif

/*
 * arenashim advise: reads what is wished for, and has it done (src/advise).
 */
#include "advise/advise.h"

#include <err.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/measure.h"
#include "base/iberty.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/locate.h"
#include "cli/program.h"

void advise_help(void)
{
    fputs("Usage: arenashim advise [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "Find the functions of PROGRAM that are worth a scope, prove which of their blocks die\n"
          "inside, measure what they gain, and print the line to run. PROGRAM is run many times,\n"
          "each time with the same standard input.\n"
          "\n"
          "  --child=NAME          advise on the children that are executed by that base name\n"
          "  --duration=SECONDS    end each run after that time, for programs that do not end\n"
          "  --signal=NAME         by this signal (TERM), and 10 seconds later by KILL\n"
          "  --runs=N              measure in N rounds, not in as many as a verdict takes\n"
          "  --no-measure          recommend by what is expected, and measure nothing\n"
          "  --peers               measure tcmalloc, jemalloc and mimalloc, too, where installed\n"
          "  --write=FILE          write the recommended functions to FILE, for --scope-file\n"
          "  --json=FILE           write all figures to FILE as JSON\n"
          "  --folded=FILE         write the stacks that allocate to FILE, for flame graphs\n"
          "  --quiet               print no line for each run\n"
          "  --shim=FILE           preload FILE instead of the libarenashim.so of this command\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Exit status: 0 when there is an answer, be it yes or no, 125 when arenashim fails or\n"
          "there is none, 126 when PROGRAM cannot be executed, 127 when it is not found. See\n"
          "arenashim-advise(1).\n",
          stdout);
}

enum {
    OPTION_CHILD = OPTION_OWN,
    OPTION_DURATION,
    OPTION_SIGNAL,
    OPTION_RUNS,
    OPTION_NO_MEASURE,
    OPTION_PEERS,
    OPTION_WRITE,
    OPTION_JSON,
    OPTION_FOLDED,
    OPTION_QUIET,
    OPTION_SHIM,
};

/* In the order of their numbers, from OPTION_OWN on. */
static const struct option options[] = {
    {"child", required_argument, NULL, OPTION_CHILD},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"signal", required_argument, NULL, OPTION_SIGNAL},
    {"runs", required_argument, NULL, OPTION_RUNS},
    {"no-measure", no_argument, NULL, OPTION_NO_MEASURE},
    {"peers", no_argument, NULL, OPTION_PEERS},
    {"write", required_argument, NULL, OPTION_WRITE},
    {"json", required_argument, NULL, OPTION_JSON},
    {"folded", required_argument, NULL, OPTION_FOLDED},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"shim", required_argument, NULL, OPTION_SHIM},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char *accepted(int option)
{
    switch (option) {
    case OPTION_CHILD:
        return "the base name of an executable, at most 63 characters";
    case OPTION_DURATION:
        return "seconds, more than 0 and at most 86400";
    case OPTION_SIGNAL:
        return "the name of a signal, such as INT";
    case OPTION_RUNS:
        return "a number from 1 to 99";
    case OPTION_SHIM:
        return "a readable shared library";
    default:
        return "a file that can be written";
    }
}

static bool read_child(const char *value, const char **child)
{
    *child = value;
    return *value != '\0' && !strchr(value, '/') &&
           strlen(value) < sizeof((struct record *)NULL)->program;
}

static bool read_duration(const char *value, double *duration)
{
    char *end;
    *duration = strtod(value, &end);
    return end != value && *end == '\0' && *duration > 0 && *duration <= 86400;
}

static bool read_signal(const char *value, int *signal)
{
    if (strncmp(value, "SIG", 3) == 0)
        value += 3;
    char name[16];
    *signal = snprintf(name, sizeof name, "SIG%s", value) < (int)sizeof name ? strtosigno(name) : 0;
    return *signal != 0;
}

static bool read_runs(const char *value, unsigned *runs)
{
    size_t number = 0;
    if (!parse_size(value, &number) || number > ROUNDS_MOST)
        return false;
    *runs = (unsigned)number;
    return number > 0;
}

static bool read_file(const char *value, const char **file)
{
    *file = value;
    return *value != '\0';
}

/* False when the option does not take the value. */
static bool apply(int option, const char *value, struct wish *wish)
{
    switch (option) {
    case OPTION_CHILD:
        return read_child(value, &wish->child);
    case OPTION_DURATION:
        return read_duration(value, &wish->duration);
    case OPTION_SIGNAL:
        return read_signal(value, &wish->signal);
    case OPTION_RUNS:
        return read_runs(value, &wish->runs);
    case OPTION_NO_MEASURE:
        wish->measure = false;
        return true;
    case OPTION_PEERS:
        return wish->peers = true;
    case OPTION_QUIET:
        return wish->quiet = true;
    case OPTION_SHIM:
        return read_file(value, &wish->shim);
    case OPTION_WRITE:
        return read_file(value, &wish->write);
    case OPTION_JSON:
        return read_file(value, &wish->json);
    default:
        return read_file(value, &wish->folded);
    }
}

/* Leaves optind at the program. */
static void read_options(int argc, char **argv, struct wish *wish)
{
    for (;;) {
        const char *argument = argv[optind];
        int option = getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL);
        switch (option) {
        case -1:
            return;
        case OPTION_HELP:
            advise_help();
            finish_output();
        case OPTION_VERSION:
            print_version();
        case ':':
            errx(EXIT_CANCELED, "--%s needs a value; it takes %s",
                 options[optopt - OPTION_OWN].name, accepted(optopt));
        case '?':
            bad_option("arenashim advise", argument);
        default:
            if (!apply(option, optarg, wish))
                errx(EXIT_CANCELED, "--%s='%s' is not accepted; it takes %s",
                     options[option - OPTION_OWN].name, optarg, accepted(option));
        }
    }
}

void advise_command(int argc, char **argv)
{
    static char shim[PATH_MAX], path[PATH_MAX];
    struct wish wish = {.command = program_invocation_name, .signal = SIGTERM, .measure = true};
    read_options(argc, argv, &wish);
    if (optind == argc)
        usage_error("arenashim advise", "no program to advise on was given");
    wish.program = argv + optind;
    if (access("/proc/self/fd", X_OK) != 0)
        err(EXIT_CANCELED, "advise needs /proc/self/fd");
    locate_shim(wish.shim, shim);
    if (!program_find(wish.program[0], path))
        err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE, "cannot run '%s'",
            wish.program[0]);
    enum program_reach reach = program_examine(wish.program[0], path, shim,
                                               wish.child ? "only its children can be advised on"
                                                          : "it cannot be advised on");
    if (reach == PROGRAM_ENDANGERED || (reach == PROGRAM_NOT_REACHED && !wish.child))
        exit(EXIT_CANCELED);
    wish.shim = shim;
    wish.path = path;
    advise(&wish);
    finish_output();
}

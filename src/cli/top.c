/*
 * arenashim top: looks at a process with the shim, once or again and again (src/top).
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "top/json.h"
#include "top/screen.h"

#define SECONDS_LEAST 0.1
#define SECONDS_MOST 3600

struct view {
    bool once;
    bool json;
    double seconds;
    enum order order;
};

void top_help(void)
{
    fputs("Usage: arenashim top [OPTION]... PID\n"
          "Show what the shim does in the process PID, which notices nothing of it: its threads,\n"
          "their open scopes and arenas, calls a second, and the sites that most come from.\n"
          "\n"
          "  --interval=SECONDS    look so often (1)\n"
          "  --sort=calls|bytes    what comes first (calls)\n"
          "  --once                print one look as text, with the rates of one interval\n"
          "  --json                the same as JSON\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Keys: q quits, c and b choose the order, any other looks now.\n"
          "\n"
          "Exit status: 0, or 125 when there is nothing to be seen of the process, or nothing any\n"
          "more. See arenashim-top(1).\n",
          stdout);
}

enum { OPTION_INTERVAL = OPTION_OWN, OPTION_SORT, OPTION_ONCE, OPTION_JSON };

static bool read_seconds(const char *value, double *seconds)
{
    char *end;
    *seconds = strtod(value, &end);
    return end != value && *end == '\0' && *seconds >= SECONDS_LEAST && *seconds <= SECONDS_MOST;
}

static void read_options(int argc, char **argv, struct view *view)
{
    static const struct option options[] = {
        {"interval", required_argument, NULL, OPTION_INTERVAL},
        {"sort", required_argument, NULL, OPTION_SORT},
        {"once", no_argument, NULL, OPTION_ONCE},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    for (;;) {
        const char *argument = argv[optind];
        switch (getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL)) {
        case -1:
            return;
        case OPTION_HELP:
            top_help();
            finish_output();
        case OPTION_VERSION:
            print_version();
        case OPTION_INTERVAL:
            if (!read_seconds(optarg, &view->seconds))
                errx(EXIT_CANCELED, "--interval='%s' is not accepted; it takes 0.1 to 3600 seconds",
                     optarg);
            break;
        case OPTION_SORT:
            if (strcmp(optarg, "calls") != 0 && strcmp(optarg, "bytes") != 0)
                errx(EXIT_CANCELED, "--sort='%s' is not accepted; it takes calls or bytes", optarg);
            view->order = *optarg == 'b' ? ORDER_BYTES : ORDER_CALLS;
            break;
        case OPTION_ONCE:
            view->once = true;
            break;
        case OPTION_JSON:
            view->json = true;
            break;
        case ':':
            usage_error("arenashim top", "option '%s' needs a value", argument);
        default:
            bad_option("arenashim top", argument);
        }
    }
}

static pid_t read_pid(const char *operand)
{
    char *end;
    errno = 0;
    long pid = strtol(operand, &end, 10);
    if (*operand < '0' || *operand > '9' || *end != '\0' || errno != 0 || pid == 0 || pid > INT_MAX)
        errx(EXIT_CANCELED, "'%s' is not accepted; arenashim top takes the PID of a process",
             operand);
    return (pid_t)pid;
}

static void look_once(pid_t pid, const struct view *view)
{
    static struct look first, second;
    char error[LOOK_ERROR_SIZE];
    struct timespec pause = {(time_t)view->seconds,
                             (long)((view->seconds - (double)(time_t)view->seconds) * 1e9)};
    bool seen = look_take(&first, NULL, pid, error);
    if (seen) {
        nanosleep(&pause, NULL);
        seen = look_take(&second, &first, pid, error);
    }
    if (!seen)
        errx(EXIT_CANCELED, "%s", error);
    if (view->json)
        json_print(stdout, &second);
    else
        text_print(stdout, &second, view->order, 0);
}

void top_command(int argc, char **argv)
{
    struct view view = {.seconds = 1};
    char error[LOOK_ERROR_SIZE];
    read_options(argc, argv, &view);
    if (argc - optind != 1)
        usage_error("arenashim top", "it takes the PID of one process, and %d were given",
                    argc - optind);
    pid_t pid = read_pid(argv[optind]);
    if (view.once || view.json)
        look_once(pid, &view);
    else if (!screen_show(pid, view.seconds, view.order, error))
        errx(EXIT_CANCELED, "%s", error);
    finish_output();
}

/*
 * arenashim diff: reads two statistics and has them compared (src/reader).
 */
#include <err.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "reader/diff.h"
#include "reader/statistics.h"

#define EXIT_GREW 1

void diff_help(void)
{
    fputs(
        "Usage: arenashim diff [OPTION]... BEFORE AFTER\n"
        "Compare the JSON statistics of two runs, site by site: what grew, what shrank, what is\n"
        "new. Each is a file, a sum that arenashim report --json has printed, or a folder of "
        "files\n"
        "whose names end in .json.\n"
        "\n"
        "  --fail-over=PERCENT   fail when a figure grew by more than that\n"
        "  --help                print this help and exit\n"
        "  --version             print the version and exit\n"
        "\n"
        "Exit status: 0, 1 when a figure grew by more than PERCENT, 125 when arenashim fails or a\n"
        "file cannot be used. See arenashim-report(1).\n",
        stdout);
}

enum { OPTION_FAIL_OVER = OPTION_OWN };

static double read_percent(const char *value)
{
    char *end;
    double percent = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(percent) || percent < 0)
        errx(EXIT_CANCELED, "--fail-over='%s' is not accepted; it takes a number of percent",
             value);
    return percent;
}

/* Leaves optind at the first file. */
static double read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"fail-over", required_argument, NULL, OPTION_FAIL_OVER},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    double percent = INFINITY;
    for (;;) {
        const char *argument = argv[optind];
        switch (getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL)) {
        case -1:
            return percent;
        case OPTION_FAIL_OVER:
            percent = read_percent(optarg);
            break;
        case OPTION_HELP:
            diff_help();
            finish_output();
        case OPTION_VERSION:
            print_version();
        case ':':
            errx(EXIT_CANCELED, "--fail-over needs a value; it takes a number of percent");
        default:
            bad_option("arenashim diff", argument);
        }
    }
}

static json_t *read_one(char **file)
{
    bool left_out = false;
    json_t *sum = statistics_read(file, 1, &left_out);
    if (left_out || !sum)
        errx(EXIT_CANCELED, "'%s' cannot be compared", *file);
    return sum;
}

void diff_command(int argc, char **argv)
{
    double percent = read_options(argc, argv);
    if (argc - optind != 2)
        usage_error("arenashim diff", "two statistics are compared, and %d were given",
                    argc - optind);
    json_t *before = read_one(argv + optind), *after = read_one(argv + optind + 1);
    bool grew = diff_print(before, after, percent, stdout);
    if (grew && fflush(stdout) == 0)
        exit(EXIT_GREW);
    finish_output();
}

/*
 * arenashim report: reads statistics and has them shown (src/reader).
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "reader/page.h"
#include "reader/statistics.h"
#include "reader/text.h"

#define EXIT_LEFT_OUT 1

void report_help(void)
{
    fputs("Usage: arenashim report [OPTION]... FILE...\n"
          "Merge the JSON statistics (arenashim run --stats=json) of any number of processes, and\n"
          "print what they say. A folder stands for the files in it whose names end in .json.\n"
          "\n"
          "  --json                print the sum as JSON, which this command reads again\n"
          "  --html=FILE           write it to FILE as one page\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Exit status: 0, 1 when a FILE was left out (cut short, of a newer version, or no\n"
          "statistics) and the others were shown, 125 when there is nothing to show or arenashim\n"
          "fails. See arenashim-report(1).\n",
          stdout);
}

enum { OPTION_JSON = OPTION_OWN, OPTION_HTML };

/* Leaves optind at the first file. */
static void read_options(int argc, char **argv, bool *json, const char **html)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, OPTION_JSON},
        {"html", required_argument, NULL, OPTION_HTML},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };
    for (;;) {
        const char *argument = argv[optind];
        switch (getopt_long(argc, argv, NO_SHORT_OPTIONS, options, NULL)) {
        case -1:
            return;
        case OPTION_JSON:
            *json = true;
            break;
        case OPTION_HTML:
            *html = optarg;
            break;
        case OPTION_HELP:
            report_help();
            finish_output();
        case OPTION_VERSION:
            print_version();
        case ':':
            errx(EXIT_CANCELED, "--html needs a value; it takes a file that can be written");
        default:
            bad_option("arenashim report", argument);
        }
    }
}

void report_command(int argc, char **argv)
{
    bool json = false, left_out = false;
    const char *html = NULL;
    read_options(argc, argv, &json, &html);
    if (optind == argc)
        usage_error("arenashim report", "no file of statistics was given");
    json_t *sum = statistics_read(argv + optind, (size_t)(argc - optind), &left_out);
    if (!sum)
        errx(EXIT_CANCELED, "there is nothing to report");
    if (html && !page_write(sum, html))
        exit(EXIT_CANCELED);
    if (json && json_dumpf(sum, stdout, JSON_INDENT(1)) == 0)
        puts("");
    else if (!html && !json)
        text_report(sum, stdout);
    if (left_out && fflush(stdout) == 0)
        exit(EXIT_LEFT_OUT);
    finish_output();
}

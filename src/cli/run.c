/*
 * arenashim run: puts the settings and LD_PRELOAD into the environment and becomes the program, or
 * waits for it where it is to be reported on or judged.
 * arenashim scopes: the same, and the shim ends the program before its main.
 */
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/attend.h"
#include "cli/cli.h"
#include "cli/gate_options.h"
#include "cli/job.h"
#include "cli/locate.h"
#include "cli/program.h"
#include "cli/settings.h"
#include "reader/page.h"
#include "reader/statistics.h"
#include "reader/whole.h"

void run_help(void)
{
    fputs("Usage: arenashim run [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "Run PROGRAM with libarenashim.so preloaded, before what LD_PRELOAD already holds.\n\n",
          stdout);
    settings_help(SETTING_CAPACITY, SETTINGS - 1, false);
    fputs(
        "  --report=FILE         write a report on all its processes to FILE, as a page of "
        "HTML\n" GATE_HELP
        "  --shim=FILE           preload FILE instead of the libarenashim.so of this command\n"
        "  --help                print this help and exit\n"
        "  --version             print the version and exit\n"
        "\n"
        "SIZE is a number of bytes with an optional suffix K, M or G (powers of 1,024).\n"
        "An option that is not given leaves its ARENASHIM_ variable as it is.\n"
        "\n"
        "Exit status: PROGRAM's own, 125 when arenashim fails, 126 when PROGRAM cannot be\n"
        "executed, 127 when it is not found; with --budget or --report-format 99 when a scope\n"
        "was left open, a mark misused, or nothing was routed, else PROGRAM's own when it is not\n"
        "0, else 98 when the budget is broken. See arenashim(1) and libarenashim(7).\n",
        stdout);
}

void scopes_help(void)
{
    fputs(
        "Usage: arenashim scopes [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
        "List the functions that each --scope means in PROGRAM, where they are, and how calls of\n"
        "them would be made scopes. PROGRAM is loaded, but its main does not run.\n\n",
        stdout);
    settings_help(SETTING_SCOPES, SETTING_END, false);
    fputs(
        "  --help                print this help and exit\n"
        "  --version             print the version and exit\n"
        "\n"
        "The other options of arenashim run are accepted, too.\n"
        "\n"
        "Exit status: 0 when the list was printed, 125 when arenashim fails or, with\n"
        "--scope-strict, when one of them cannot be a scope, 126 when PROGRAM cannot be executed,\n"
        "127 when it is not found. See arenashim(1).\n",
        stdout);
}

/* Puts the shim before the libraries that LD_PRELOAD already names: an allocator among them
 * becomes the one that the shim hands calls on to. */
static void preload(const char *shim)
{
    const char *others = getenv("LD_PRELOAD");
    char *list = NULL;
    if (others && *others && asprintf(&list, "%s:%s", shim, others) < 0)
        err(EXIT_CANCELED, "cannot set LD_PRELOAD");
    if (setenv("LD_PRELOAD", list ? list : shim, 1) != 0)
        err(EXIT_CANCELED, "cannot set LD_PRELOAD");
    free(list);
}

/* `report` is NULL when none is wanted. */
static noreturn void run_attended(char **program, const char *report, struct gate *gate)
{
    struct attended attended = {.by_script = false};
    bool left_out = false;
    size_t count;
    attend_prepare(&attended);
    attend(program, &attended);
    char **statistics = attended_files(&attended, "*.json", &count);
    json_t *sum = statistics_read(statistics, count, &left_out);
    bool measured = attended_itself(&attended) && !left_out;
    char **lost = attended_lost(&attended);
    attend_forget(&attended);
    bool written = !report || !sum || page_write(sum, report);
    if (!sum && report)
        warnx("there is no report: no process of '%s' has left statistics", program[0]);
    struct gate_run run = {"arenashim run", program[0], attended_status(&attended)};
    gate_lost(gate, &run, lost);
    if (gate->format && gate_judge(gate, &run, sum, measured) != PROGRAM_STATUS)
        exit(run.status);
    if (!written && attended.status == 0)
        exit(EXIT_CANCELED);
    attend_exit(attended.status);
}

static noreturn void become(char **program)
{
    execvp(program[0], program);
    err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE, "cannot run '%s'", program[0]);
}

void run_command(int argc, char **argv)
{
    static const char *report;
    static struct gate gate;
    static const struct own_option own[] = {
        {"report", "a file that can be written", NULL, &report, false},
        GATE_OPTIONS(gate),
        {NULL, NULL, NULL, NULL, false},
    };
    char shim[PATH_MAX], path[PATH_MAX];
    const char *given = settings_options(argc, argv, "arenashim run", run_help, false, own);
    settings_check();
    if (optind == argc)
        usage_error("arenashim run", "no program to run was given");
    char **program = argv + optind;
    report = job_name(report);
    gate.budget = job_name(gate.budget);
    gate.report_file = job_name(gate.report_file);
    if (report && !whole_is_possible(report))
        err(EXIT_CANCELED, "the report '%s' cannot be written", report);
    bool judged = gate_prepare(&gate);
    if ((report || judged) &&
        (setting_is_applied(SETTING_STATS) || setting_is_applied(SETTING_STATS_FILE)))
        usage_error("arenashim run",
                    "--report, --budget and --report-format take the place of --stats and "
                    "--stats-file");
    locate_shim(given, shim);
    bool found = program_find(program[0], path);
    if (!found || program_examine(program[0], path, shim, RUNS_WITHOUT) != PROGRAM_ENDANGERED)
        preload(shim);
    if ((report || judged) && found && !job_leaves_out())
        run_attended(program, report, &gate);
    become(program);
}

/* Whatever keeps the shim out would let main run, and is an error here. */
void scopes_command(int argc, char **argv)
{
    static const struct own_option none[] = {{NULL, NULL, NULL, NULL, false}};
    char shim[PATH_MAX], path[PATH_MAX];
    const char *given = settings_options(argc, argv, "arenashim scopes", scopes_help, false, none);
    settings_check();
    if (optind == argc)
        usage_error("arenashim scopes", "no program to look at was given");
    if (!settings_name_functions())
        usage_error("arenashim scopes", "no function is named, by --scope or --scope-file");
    char **program = argv + optind;
    locate_shim(given, shim);
    if (program_find(program[0], path)) {
        if (program_examine(program[0], path, shim, "its functions cannot be listed") !=
            PROGRAM_REACHED)
            exit(EXIT_CANCELED);
        preload(shim);
    }
    if (setenv("ARENASHIM_SCOPE_LIST", "1", 1) != 0 || setenv("ARENASHIM_DISABLE", "0", 1) != 0)
        err(EXIT_CANCELED, "cannot set ARENASHIM_SCOPE_LIST");
    become(program);
}

/*
 * arenashim check: runs the script that runs a program under Valgrind, and tells it by the
 * environment which shim to preload (ARENASHIM_SHIM) and with what settings. Where the run is to
 * meet a budget or has a report, what the script leaves is judged here, and else by the script.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/need.h"
#include "cli/attend.h"
#include "cli/cli.h"
#include "cli/gate_options.h"
#include "cli/job.h"
#include "cli/locate.h"
#include "cli/program.h"
#include "cli/settings.h"
#include "reader/statistics.h"

void check_help(void)
{
    fputs("Usage: arenashim check [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
          "Run PROGRAM with the shim under Valgrind's memcheck, and fail on a leak, an invalid\n"
          "access, a scope left open, a misused mark or block, or when no call at all was\n"
          "routed. Processes that it forks are checked with it, but for leaks.\n"
          "\n",
          stdout);
    settings_help(SETTING_CAPACITY, SETTINGS - 1, true);
    fputs(GATE_HELP
          "  --suppressions=FILE   what memcheck is to keep silent about, in its own format\n"
          "  --gen-suppressions    print a suppression for each of memcheck's errors\n"
          "  --shim=FILE           preload FILE instead of the libarenashim.so of this command\n"
          "  --help                print this help and exit\n"
          "  --version             print the version and exit\n"
          "\n"
          "Exit status: 0 when nothing is wrong, 99 when something is, 125 when arenashim fails\n"
          "or, with --scope-strict, when a function cannot be a scope, 126 when PROGRAM cannot be\n"
          "executed, 127 when it is not found, else PROGRAM's own when it is not 0, and 98 when\n"
          "the budget is broken. See arenashim(1).\n",
          stdout);
}

/* What goes to memcheck. */
struct memcheck_options {
    const char *suppressions, *gen_suppressions;
};

/* The words of the script's command line, in memory of their own. */
static char **script_words(char *script, const char *folder, bool judged,
                           const struct memcheck_options *options, char **program)
{
    size_t count = 0, length = 0, files = 0;
    char *list = options->suppressions ? need_text("%s", options->suppressions) : NULL, *file;
    while (program[length])
        length++;
    for (const char *at = options->suppressions; at; at = strchr(at + 1, '\n'))
        files++;
    char **words = need(calloc(length + files + 6, sizeof *words));
    words[count++] = script;
    words[count++] = need_text("--folder=%s", folder);
    if (judged)
        words[count++] = need_text("--results");
    while ((file = strsep(&list, "\n")))
        words[count++] = need_text("--suppressions=%s", file);
    if (options->gen_suppressions)
        words[count++] = need_text("--gen-suppressions");
    words[count++] = need_text("--");
    memcpy(words + count, program, length * sizeof *words);
    return words;
}

/* Each of them must be readable. */
static void check_files(const char *suppressions)
{
    char *list = suppressions ? need_text("%s", suppressions) : NULL, *file;
    while ((file = strsep(&list, "\n")))
        if (access(file, R_OK) != 0)
            errx(EXIT_CANCELED, "--suppressions='%s' is not accepted; it takes a readable file",
                 file);
}

/* ---- where the run is judged here ------------------------------------------------------------ */

/* "FOLDER/PID.SUFFIX" of the process that left `file`, if it is there; else NULL. To be freed. */
static char *sibling(const char *file, const char *suffix)
{
    char *name = need_text("%.*s%s", (int)(strrchr(file, '.') - file), file, suffix);
    if (access(name, R_OK) == 0)
        return name;
    free(name);
    return NULL;
}

static bool has_suffix(const char *file, const char *suffix)
{
    const char *dot = strrchr(file, '.');
    return dot && strcmp(dot, suffix) == 0;
}

/* Reads what memcheck left of each process that it watched, and sums up their statistics.
 * `measured` is set when the program's own are among them, and all could be read. */
static json_t *read_results(struct gate *gate, struct attended *attended, bool *measured)
{
    char **statistics = need(calloc(attended->count + 1, sizeof *statistics));
    size_t count = 0;
    bool left_out = false;
    for (char **file = attended->files; *file; file++) {
        if (!has_suffix(*file, ".xml"))
            continue;
        char *is_main = sibling(*file, ".finished"), *json = sibling(*file, ".json");
        gate_read(gate, *file, is_main != NULL);
        *measured = *measured || (is_main && json);
        free(is_main);
        if (json)
            statistics[count++] = json;
    }
    json_t *sum = statistics_read(statistics, count, &left_out);
    *measured = *measured && !left_out;
    while (count > 0)
        free(statistics[--count]);
    free(statistics);
    return sum;
}

/* Whether the script got as far as the end of the program, and has left its judgement to us. */
static bool is_finished(const struct attended *attended)
{
    for (char **file = attended->files; *file; file++)
        if (has_suffix(*file, ".finished"))
            return true;
    return false;
}

static noreturn void run_script(char *script, const struct memcheck_options *options,
                                char **program, struct gate *gate)
{
    struct attended attended = {.by_script = true};
    attend_prepare(&attended);
    attend(script_words(script, attended.folder, gate->format != NULL, options, program),
           &attended);
    bool judged = is_finished(&attended), measured = false;
    json_t *sum = judged ? read_results(gate, &attended, &measured) : NULL;
    char **lost = attended_lost(&attended);
    attend_forget(&attended);
    struct gate_run run = {"arenashim check", program[0], attended_status(&attended)};
    gate_lost(gate, &run, lost);
    if (!judged)
        attend_exit(attended.status);
    gate_judge(gate, &run, sum, measured);
    exit(run.status);
}

/* ---------------------------------------------------------------------------------------------- */

void check_command(int argc, char **argv)
{
    static struct gate gate;
    static struct memcheck_options options;
    static const struct own_option own[] = {
        GATE_OPTIONS(gate),
        {"suppressions", "a readable file", NULL, &options.suppressions, true},
        {"gen-suppressions", "all", "all", &options.gen_suppressions, false},
        {NULL, NULL, NULL, NULL, false},
    };
    char shim[PATH_MAX], script[PATH_MAX], path[PATH_MAX];
    const char *given = settings_options(argc, argv, "arenashim check", check_help, true, own);
    settings_check();
    if (optind == argc)
        usage_error("arenashim check", "no program to check was given");
    gate.budget = job_name(gate.budget);
    gate.report_file = job_name(gate.report_file);
    gate_prepare(&gate);
    check_files(options.suppressions);
    locate_shim(given, shim);
    locate_check_script(script);
    if (access(script, X_OK) != 0)
        err(EXIT_CANCELED, "cannot run '%s'", script);

    /* Found here rather than by Valgrind, whose own status for a missing program is no promise. */
    char **program = argv + optind;
    if (!program_find(program[0], path))
        err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE, "cannot run '%s'", program[0]);
    if (program_examine(program[0], path, shim, "it cannot be checked") == PROGRAM_ENDANGERED)
        exit(EXIT_CANCELED);
    if (setenv("ARENASHIM_SHIM", shim, 1) != 0)
        err(EXIT_CANCELED, "cannot set ARENASHIM_SHIM");
    run_script(script, &options, program, &gate);
}

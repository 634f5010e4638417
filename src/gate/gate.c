#include "gate/gate.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "gate/budget.h"
#include "gate/memcheck.h"
#include "reader/members.h"
#include "reader/whole.h"

bool gate_prepare(struct gate *gate)
{
    size_t slack = 0;
    if (!gate->budget && !gate->report_format) {
        if (gate->update || gate->report_file)
            errx(GATE_FAILED, "--%s needs --%s", gate->update ? "update" : "report-file",
                 gate->update ? "budget" : "report-format, or --budget");
        return false;
    }
    if (gate->update && !gate->budget)
        errx(GATE_FAILED, "--update needs --budget");
    gate->format = format_find(gate->report_format ? gate->report_format : "text");
    if (!gate->format)
        errx(GATE_FAILED, "--report-format='%s' is not accepted; it takes " FORMATS_ACCEPTED,
             gate->report_format);
    if (gate->update && strcmp(gate->update, "0") != 0 &&
        (!parse_size(gate->update, &slack) || slack > 1000))
        errx(GATE_FAILED, "--update='%s' is not accepted; it takes " GATE_SLACK_ACCEPTED,
             gate->update);
    gate->slack = (unsigned)slack;
    if (gate->budget && (!gate->update || access(gate->budget, F_OK) == 0))
        gate->limits = budget_read(gate->budget);
    if (gate->update && !whole_is_possible(gate->budget))
        err(GATE_FAILED, "the budget '%s' cannot be written", gate->budget);
    if (gate->report_file && !whole_is_possible(gate->report_file))
        err(GATE_FAILED, "the report '%s' cannot be written", gate->report_file);
    return true;
}

void gate_read(struct gate *gate, const char *file, bool leaks)
{
    memcheck_read(&gate->findings, file, leaks);
}

/* What a program that failed has not done says nothing. */
static enum verdict unless_failed(const struct gate_run *run)
{
    return run->status == 0 ? GATE_FOUND : PROGRAM_STATUS;
}

void gate_lost(struct gate *gate, const struct gate_run *run, char **lines)
{
    for (; *lines; lines++)
        if (gate->budget)
            findings_add(&gate->findings, unless_failed(run), "NoStatistics", "%s", *lines);
        else
            warnx("%s", *lines);
}

static void find_left_open(struct findings *findings, const json_t *sum)
{
    json_t *site;
    size_t i;
    json_array_foreach(list_of(sum, "sites"), i, site) {
        unsigned long scopes = number_of(site, "left_open");
        if (scopes == 0)
            continue;
        const char *label = text_of(site, "label");
        struct finding *finding =
            findings_add(findings, GATE_FOUND, "ScopeLeftOpen", "scopes left open: %lu of %s",
                         scopes, *label ? label : "(no label)");
        if (*text_of(site, "file"))
            finding_set_place(finding, text_of(site, "file"), number_of(site, "line"));
    }
}

/* What holds for every program that is judged, unless its budget says otherwise. */
static void judge_statistics(struct findings *findings, const json_t *sum, const json_t *limits,
                             const struct gate_run *run)
{
    unsigned long misuses = number_of(sum, "misuses");
    if (!budget_limits(limits, "left_open"))
        find_left_open(findings, sum);
    if (misuses > 0 && !budget_limits(limits, "misuses"))
        findings_add(findings, GATE_FOUND, "Misuse", "%lu marks or blocks were misused", misuses);
    if (number_of(sum, "routed_calls") == 0 && !budget_allows_none(limits, "routed_calls"))
        findings_add(
            findings, unless_failed(run), "NotRouted",
            "not one call was routed: no mark was reached, or ARENASHIM_MODULES leaves out "
            "the module that allocates (%lu scopes)",
            (unsigned long)number_of(sum, "scopes"));
}

static void find_all(struct gate *gate, const struct gate_run *run, const json_t *sum,
                     bool measured)
{
    struct findings *findings = &gate->findings;
    if (!measured)
        findings_add(findings, unless_failed(run), "NoStatistics",
                     "the shim wrote no statistics of '%s' itself, or some that cannot be read: it "
                     "was not in the path, or the program did not exit",
                     run->program);
    if (sum)
        judge_statistics(findings, sum, gate->limits, run);
    if (sum && gate->limits && !gate->update)
        budget_judge(gate->limits, gate->budget, sum, findings);
    if (run->status != 0)
        findings_add(findings, PROGRAM_STATUS, "ProgramFailed", "'%s' ended with status %d",
                     run->program, run->status);
}

/* The worst; a budget that is broken by a program that failed says nothing. */
static enum verdict worst(const struct findings *findings, int program)
{
    enum verdict verdict = PROGRAM_STATUS;
    for (size_t i = 0; i < findings->count; i++)
        if (findings->list[i].verdict > verdict)
            verdict = findings->list[i].verdict;
    return verdict == GATE_BUDGET && program != 0 ? PROGRAM_STATUS : verdict;
}

static void print(const struct gate *gate, const struct gate_run *run)
{
    struct whole file;
    if (!gate->report_file) {
        gate->format->print(stderr, run, &gate->findings);
        return;
    }
    bool written = whole_open(&file, gate->report_file);
    if (written) {
        gate->format->print(file.stream, run, &gate->findings);
        written = whole_close(&file);
    }
    if (!written)
        err(GATE_FAILED, "the report '%s' cannot be written", gate->report_file);
    if (gate->findings.count > 0)
        warnx("what is wrong (%zu) is in '%s'", gate->findings.count, gate->report_file);
}

enum verdict gate_judge(struct gate *gate, struct gate_run *run, const json_t *sum, bool measured)
{
    run->program = finding_text(run->program);
    find_all(gate, run, sum, measured);
    enum verdict verdict = worst(&gate->findings, run->status);
    if (verdict != PROGRAM_STATUS)
        run->status = verdict;
    print(gate, run);
    if (gate->update && run->status != 0)
        warnx("the budget '%s' is left as it is: the run failed", gate->budget);
    else if (gate->update)
        budget_update(gate->limits, gate->budget, sum, gate->slack);
    return verdict;
}

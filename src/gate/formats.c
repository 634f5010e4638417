#include "gate/formats.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "base/compiler.h"

/* Prints the text with some characters replaced. */
static void print_escaped(FILE *stream, const char *text, const char *characters,
                          const char *const *escapes)
{
    for (; *text != '\0'; text++) {
        const char *found = strchr(characters, *text);
        if (found)
            fputs(escapes[found - characters], stream);
        else
            fputc(*text, stream);
    }
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_text(FILE *stream, const struct gate_run *run, const struct findings *findings)
{
    (void)run;
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        fprintf(stream, "arenashim: ");
        if (*finding->file && finding->verdict != GATE_BUDGET) /* whose message names the site */
            fprintf(stream, "%s:%lu: ", finding->file, finding->line);
        fprintf(stream, "%s\n%s", finding->message, finding->details);
    }
}

/* ---- JUnit's XML ----------------------------------------------------------------------------- */

static void print_xml(FILE *stream, const char *text)
{
    static const char *const escapes[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#10;"};
    print_escaped(stream, text, "&<>\"\n", escapes);
}

static void print_attribute(FILE *stream, const char *name, const char *value)
{
    fprintf(stream, " %s=\"", name);
    print_xml(stream, value);
    fputs("\"", stream);
}

static void print_failure(FILE *stream, const struct finding *finding)
{
    fputs("    <testcase", stream);
    print_attribute(stream, "classname", finding->rule);
    print_attribute(stream, "name", finding->message);
    if (*finding->file) {
        print_attribute(stream, "file", finding->file);
        fprintf(stream, " line=\"%lu\"", finding->line);
    }
    fputs(">\n      <failure", stream);
    print_attribute(stream, "type", finding->rule);
    print_attribute(stream, "message", finding->message);
    fputs(">", stream);
    if (*finding->file) {
        print_xml(stream, finding->file);
        fprintf(stream, ":%lu&#10;", finding->line);
    }
    print_xml(stream, finding->details);
    fputs("</failure>\n    </testcase>\n", stream);
}

/* A suite without a test counts as broken with some readers: what has no finding is one that
 * passes. */
static void print_junit(FILE *stream, const struct gate_run *run, const struct findings *findings)
{
    size_t tests = findings->count > 0 ? findings->count : 1;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite", stream);
    print_attribute(stream, "name", run->command);
    fprintf(stream, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n", tests,
            findings->count);
    for (size_t i = 0; i < findings->count; i++)
        print_failure(stream, &findings->list[i]);
    if (findings->count == 0) {
        fputs("    <testcase", stream);
        print_attribute(stream, "classname", run->command);
        print_attribute(stream, "name", run->program);
        fputs("/>\n", stream);
    }
    fputs("  </testsuite>\n</testsuites>\n", stream);
}

/* ---- SARIF 2.1.0 ----------------------------------------------------------------------------- */

/* A relative reference, or file: with an absolute path; what is no path character is %XX. */
static json_t *sarif_uri(const char *file)
{
    char *uri = NULL;
    size_t length;
    FILE *stream = need(open_memstream(&uri, &length));
    if (*file == '/')
        fputs("file://", stream);
    for (; *file != '\0'; file++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/+", *file))
            fputc(*file, stream);
        else
            fprintf(stream, "%%%02X", (unsigned char)*file);
    fclose(stream);
    json_t *made = json_string(need(uri));
    free(uri);
    return made;
}

static json_t *sarif_result(const struct finding *finding)
{
    char *text =
        need_text("%s%s%s", finding->message, *finding->details ? "\n" : "", finding->details);
    json_t *result = need(json_pack("{s:s, s:s, s:{s:s}, s:[]}", "ruleId", finding->rule, "level",
                                    "error", "message", "text", text, "locations"));
    free(text);
    if (*finding->file) {
        json_t *place = need(json_pack("{s:{s:{s:o}}}", "physicalLocation", "artifactLocation",
                                       "uri", sarif_uri(finding->file)));
        if (finding->line > 0)
            json_object_set_new(json_object_get(place, "physicalLocation"), "region",
                                json_pack("{s:I}", "startLine", (json_int_t)finding->line));
        json_array_append_new(json_object_get(result, "locations"), place);
    }
    return result;
}

static void print_sarif(FILE *stream, const struct gate_run *run, const struct findings *findings)
{
    json_t *results = need(json_array()), *rules = need(json_array()), *known = need(json_object());
    for (size_t i = 0; i < findings->count; i++) {
        const char *rule = findings->list[i].rule;
        json_array_append_new(results, sarif_result(&findings->list[i]));
        if (json_object_get(known, rule))
            continue;
        json_object_set_new(known, rule, json_true());
        json_array_append_new(rules, json_pack("{s:s}", "id", rule));
    }
    json_decref(known);
    json_t *log = need(json_pack(
        "{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:[{s:b, s:i}], s:o}]}", "$schema",
        "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0", "runs", "tool",
        "driver", "name", "arenashim", "version", PACKAGE_VERSION, "rules", rules, "invocations",
        "executionSuccessful", 1, "exitCode", run->status, "results", results));
    json_dumpf(log, stream, JSON_INDENT(2));
    fputs("\n", stream);
    json_decref(log);
}

/* ---- workflow commands of GitHub ------------------------------------------------------------- */

/* The last line of what the program has written to standard error may have no end. */
static void begin_line(FILE *stream, const struct findings *findings)
{
    if (stream == stderr && findings->count > 0)
        fputs("\n", stream);
}

static void print_github(FILE *stream, const struct gate_run *run, const struct findings *findings)
{
    static const char *const escapes[] = {"%25", "%0A", "%0D", "%3A", "%2C"};
    (void)run;
    begin_line(stream, findings);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        fputs("::error ", stream);
        if (*finding->file) {
            fputs("file=", stream);
            print_escaped(stream, finding->file, "%\n\r:,", escapes);
            fprintf(stream, ",line=%lu,", finding->line);
        }
        fprintf(stream, "title=%s::", finding->rule);
        print_escaped(stream, finding->message, "%\n\r", escapes);
        if (*finding->details)
            fputs("%0A", stream);
        print_escaped(stream, finding->details, "%\n\r", escapes);
        fputs("\n", stream);
    }
}

/* ---- the Test Anything Protocol -------------------------------------------------------------- */

static void print_comment(FILE *stream, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        fprintf(stream, "# %.*s\n", (int)length, lines);
        lines += length + (lines[length] != '\0');
    }
}

static void print_tap(FILE *stream, const struct gate_run *run, const struct findings *findings)
{
    static const char *const escapes[] = {"\\#", "\\\\"};
    begin_line(stream, findings);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        fprintf(stream, "not ok %zu - %s: ", i + 1, finding->rule);
        print_escaped(stream, finding->message, "#\\", escapes);
        fputs("\n", stream);
        if (*finding->file)
            fprintf(stream, "# %s:%lu\n", finding->file, finding->line);
        print_comment(stream, finding->details);
    }
    if (findings->count == 0) {
        fputs("ok 1 - ", stream);
        print_escaped(stream, run->program, "#\\", escapes);
        fputs("\n", stream);
    }
    fprintf(stream, "1..%zu\n", findings->count > 0 ? findings->count : 1);
}

/* ---------------------------------------------------------------------------------------------- */

const struct format *format_find(const char *name)
{
    static const struct format formats[] = {{"text", print_text},
                                            {"junit", print_junit},
                                            {"sarif", print_sarif},
                                            {"github", print_github},
                                            {"tap", print_tap}};
    for (size_t i = 0; i < COUNT(formats); i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

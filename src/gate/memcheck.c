#include "gate/memcheck.h"

#include <err.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "base/printable.h"

/* The elements whose text is kept until the frame or error that they belong to ends. */
enum { IP, OBJ, FN, DIR, FILE_NAME, LINE, KIND, FIELDS };
static const char *const names[FIELDS] = {"ip", "obj", "fn", "dir", "file", "line", "kind"};

struct reader {
    struct findings *findings;
    bool leaks;
    bool in_error;
    int stacks, frames; /* begun in this error, in this stack */
    char *fields[FIELDS];
    char *what, *file; /* of the error */
    unsigned long line;
    bool is_program; /* the place is the program's own and not a library's */
    char *text;      /* of the innermost element */
    size_t text_length;
    FILE *details;
    char *details_text;
    size_t details_length;
};

static void set(char **field, char *text)
{
    free(*field);
    *field = text;
}

/* ---- frames ---------------------------------------------------------------------------------- */

static bool is_library(const char *object)
{
    return strstr(object, "/libarenashim") ||
           strncmp(object, "/usr/lib", strlen("/usr/lib")) == 0 ||
           strncmp(object, "/lib/", strlen("/lib/")) == 0;
}

/* The place of an error is in its first stack: the innermost line of the program, or else the
 * innermost line at all. */
static void choose_place(struct reader *reader)
{
    char *const *field = reader->fields;
    bool is_program = field[OBJ] && !is_library(field[OBJ]);
    if (reader->stacks > 1 || !field[FILE_NAME] || !field[LINE] ||
        (reader->file && (reader->is_program || !is_program)))
        return;
    set(&reader->file,
        need_text("%s%s%s", field[DIR] ? field[DIR] : "", field[DIR] ? "/" : "", field[FILE_NAME]));
    reader->line = strtoul(field[LINE], NULL, 10);
    reader->is_program = is_program;
}

/* As memcheck's own text has it. */
static void end_frame(struct reader *reader)
{
    char **field = reader->fields;
    choose_place(reader);
    fprintf(reader->details, "   %s %s: %s", reader->frames++ == 0 ? "at" : "by",
            field[IP] ? field[IP] : "?", field[FN] ? field[FN] : "???");
    if (field[FILE_NAME] && field[LINE])
        fprintf(reader->details, " (%s:%s)\n", field[FILE_NAME], field[LINE]);
    else
        fprintf(reader->details, " (in %s)\n", field[OBJ] ? field[OBJ] : "?");
    for (int i = 0; i < KIND; i++)
        set(&field[i], NULL);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void begin_error(struct reader *reader)
{
    reader->in_error = true;
    reader->stacks = 0;
    reader->line = 0;
    reader->is_program = false;
    set(&reader->file, NULL);
    set(&reader->what, NULL);
    set(&reader->fields[KIND], NULL);
    reader->details = need(open_memstream(&reader->details_text, &reader->details_length));
}

static void end_error(struct reader *reader)
{
    const char *kind = reader->fields[KIND] ? reader->fields[KIND] : "MemcheckError";
    reader->in_error = false;
    if (fclose(reader->details) != 0)
        need(NULL);
    if (reader->leaks || strncmp(kind, "Leak_", strlen("Leak_")) != 0) {
        struct finding *finding = findings_add(reader->findings, GATE_FOUND, kind, "%s",
                                               reader->what ? reader->what : kind);
        if (reader->file)
            finding_set_place(finding, reader->file, reader->line);
        finding_set_details(finding, reader->details_text);
    }
    free(reader->details_text);
}

/* ---- elements -------------------------------------------------------------------------------- */

static void XMLCALL begin_element(void *data, const char *name, const char **attributes)
{
    (void)attributes;
    struct reader *reader = data;
    reader->text_length = 0;
    if (strcmp(name, "error") == 0)
        begin_error(reader);
    if (strcmp(name, "stack") == 0) {
        reader->stacks++;
        reader->frames = 0;
    }
}

static void XMLCALL add_text(void *data, const char *text, int length)
{
    struct reader *reader = data;
    reader->text = need(realloc(reader->text, reader->text_length + (size_t)length + 1));
    memcpy(reader->text + reader->text_length, text, (size_t)length);
    reader->text_length += (size_t)length;
}

static void XMLCALL end_element(void *data, const char *name)
{
    struct reader *reader = data;
    if (!reader->in_error)
        return;
    char *text = need(strndup(reader->text ? reader->text : "", reader->text_length));
    reader->text_length = 0;
    /* The first says what is wrong (in <xwhat> it is <text>), further ones what is known of it. */
    bool is_remark =
        strcmp(name, "what") == 0 || strcmp(name, "text") == 0 || strcmp(name, "auxwhat") == 0;
    if (is_remark && !reader->what) {
        /* The number of the record changes from run to run. */
        char *record = strstr(text, " in loss record ");
        set(&reader->what, need(record ? strndup(text, (size_t)(record - text)) : strdup(text)));
    } else if (is_remark) {
        fprintf(reader->details, " %s\n", text);
    } else if (strcmp(name, "rawtext") == 0) {
        char *last = strrchr(text, '}'); /* white space goes around it */
        if (last)
            last[1] = '\0';
        fprintf(reader->details, "%s\n", text + strspn(text, "\n"));
    }
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(name, names[i]) == 0)
            set(&reader->fields[i], need(strdup(text)));
    free(text);
    if (strcmp(name, "frame") == 0)
        end_frame(reader);
    if (strcmp(name, "error") == 0)
        end_error(reader);
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool is_cut_short(enum XML_Error error)
{
    return error == XML_ERROR_NO_ELEMENTS || error == XML_ERROR_UNCLOSED_TOKEN ||
           error == XML_ERROR_PARTIAL_CHAR || error == XML_ERROR_UNCLOSED_CDATA_SECTION;
}

void memcheck_read(struct findings *findings, const char *file, bool leaks)
{
    struct reader reader = {.findings = findings, .leaks = leaks};
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    enum XML_Status status = XML_STATUS_OK;
    FILE *stream = fopen(file, "r");
    if (!stream)
        err(GATE_FAILED, "'%s' cannot be read", file);
    XML_Parser parser = need(XML_ParserCreate(NULL));
    XML_SetUserData(parser, &reader);
    XML_SetElementHandler(parser, begin_element, end_element);
    XML_SetCharacterDataHandler(parser, add_text);
    /* memcheck writes the program's words as they are, which need not be characters. */
    while (status == XML_STATUS_OK && (length = getline(&text, &size, stream)) > 0) {
        text[strcspn(text, "\n")] = '\0';
        make_printable(text);
        status = XML_Parse(parser, text, (int)strlen(text), XML_FALSE);
        if (status == XML_STATUS_OK)
            status = XML_Parse(parser, "\n", 1, XML_FALSE);
    }
    if (status == XML_STATUS_OK)
        status = XML_Parse(parser, "", 0, XML_TRUE);
    free(text);
    enum XML_Error error = XML_GetErrorCode(parser);
    /* Expat 2.8 deprecates it for one whose result is wider. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    unsigned long line = XML_GetCurrentLineNumber(parser);
    if (ferror(stream) || (status != XML_STATUS_OK && !is_cut_short(error)))
        errx(GATE_FAILED, "what memcheck wrote cannot be read: %s in line %lu of '%s'",
             XML_ErrorString(error), line, file);
    XML_ParserFree(parser);
    fclose(stream);
    if (reader.in_error) { /* cut short in the middle of it */
        reader.leaks = true;
        end_error(&reader);
    }
    for (int i = 0; i < FIELDS; i++)
        free(reader.fields[i]);
    free(reader.what);
    free(reader.file);
    free(reader.text);
}

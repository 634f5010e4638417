#include "gate/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise/need.h"
#include "base/printable.h"

char *finding_text(const char *text)
{
    char *copy = need(strdup(text));
    make_printable(copy);
    return copy;
}

struct finding *findings_add(struct findings *findings, enum verdict verdict, const char *rule,
                             const char *format, ...)
{
    char *message;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = need(NULL);
    va_end(arguments);
    findings->list =
        need(reallocarray(findings->list, findings->count + 1, sizeof *findings->list));
    struct finding *finding = &findings->list[findings->count++];
    *finding = (struct finding){
        verdict, finding_text(rule), finding_text(message), finding_text(""), 0, finding_text("")};
    free(message);
    return finding;
}

/* A name that is relative to the folder in which the program was compiled, beside this one. */
static const char *from_here(const char *file)
{
    const char *inner = file;
    while (strncmp(inner, "../", 3) == 0)
        inner += 3;
    return access(file, F_OK) != 0 && access(inner, F_OK) == 0 ? inner : file;
}

void finding_set_place(struct finding *finding, const char *file, unsigned long line)
{
    file = from_here(file);
    char *directory = getcwd(NULL, 0); /* NULL: removed, or out of sight */
    size_t length = directory ? strlen(directory) : 0;
    if (directory && strncmp(file, directory, length) == 0 && file[length] == '/')
        file += length + 1;
    free(directory);
    free(finding->file);
    finding->file = finding_text(file);
    finding->line = line;
}

void finding_set_details(struct finding *finding, const char *details)
{
    char *lines = need(strdup(details)), *from = lines, *to = lines, *line;
    while ((line = strsep(&from, "\n"))) {
        make_printable(line);
        size_t length = strlen(line);
        memmove(to, line, length);
        to += length;
        if (from)
            *to++ = '\n';
    }
    *to = '\0';
    free(finding->details);
    finding->details = lines;
}

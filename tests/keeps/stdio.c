/*
 * What stdio keeps: buffers of streams, tables, and results whose memory is the caller's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <printf.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "keeps.h"

/* The file "lines" of the test holds 300 lines "line N". */

/* ---- streams --------------------------------------------------------------------------------- */

static void printf_first(void)
{
    printf("printed in the scope\n");
}

static void printf_again(void)
{
    for (int i = 0; i < 2000; i++)
        printf("printed after it, %d %.3f\n", i, i / 7.0);
}

static FILE *reading;

static void fopen_first(void)
{
    reading = fopen(keeps_path("lines"), "r");
    char text[20];
    EXPECT(reading && fgets(text, sizeof text, reading) && strcmp(text, "line 1\n") == 0);
}

static void fopen_again(void)
{
    char text[20] = "", wanted[20];
    for (int i = 2; i <= 300; i++) {
        snprintf(wanted, sizeof wanted, "line %d\n", i);
        EXPECT(fgets(text, sizeof text, reading) && strcmp(text, wanted) == 0);
    }
    EXPECT(fgetc(reading) == EOF && fclose(reading) == 0);
}

static FILE *buffered;

static void setvbuf_first(void)
{
    buffered = fopen(keeps_path("written"), "w+");
    EXPECT(buffered && setvbuf(buffered, NULL, _IOFBF, 1 << 16) == 0);
    EXPECT(fprintf(buffered, "written %d\n", 1) == 10);
}

static void setvbuf_again(void)
{
    char text[20] = "";
    EXPECT(fprintf(buffered, "written %d\n", 2) == 10 && fseek(buffered, 0, SEEK_SET) == 0);
    EXPECT(fgets(text, sizeof text, buffered) && strcmp(text, "written 1\n") == 0);
    EXPECT(fgets(text, sizeof text, buffered) && strcmp(text, "written 2\n") == 0);
    EXPECT(fclose(buffered) == 0);
}

/* What is pushed back beyond the buffer goes to one of its own. */
static FILE *pushed;

static void ungetc_first(void)
{
    pushed = fopen(keeps_path("lines"), "r");
    EXPECT(pushed && fgetc(pushed) == 'l');
    for (int i = 0; i < 300; i++)
        EXPECT(ungetc('a' + i % 26, pushed) == 'a' + i % 26);
}

static void ungetc_again(void)
{
    for (int i = 299; i >= 0; i--)
        EXPECT(fgetc(pushed) == 'a' + i % 26);
    EXPECT(fgetc(pushed) == 'i' && fclose(pushed) == 0);
}

static FILE *temporary, *reopened, *attached;

static void other_streams_first(void)
{
    temporary = tmpfile();
    EXPECT(temporary && fputs("temporary", temporary) >= 0);
    reopened = fopen("/dev/null", "r");
    reopened = freopen(keeps_path("lines"), "r", reopened);
    EXPECT(reopened && fgetc(reopened) == 'l');
    attached = fdopen(dup(fileno(reopened)), "r");
    EXPECT(attached != NULL);
}

static void other_streams_again(void)
{
    char text[20] = "";
    rewind(temporary);
    EXPECT(fgets(text, sizeof text, temporary) && strcmp(text, "temporary") == 0);
    EXPECT(fgets(text, sizeof text, reopened) && strcmp(text, "ine 1\n") == 0);
    rewind(attached);
    EXPECT(fgets(text, sizeof text, attached) && strcmp(text, "line 1\n") == 0);
    EXPECT(fclose(temporary) == 0 && fclose(reopened) == 0 && fclose(attached) == 0);
}

static FILE *command;

static void popen_first(void)
{
    command = popen("echo one; echo two", "r");
    char text[20] = "";
    EXPECT(command && fgets(text, sizeof text, command) && strcmp(text, "one\n") == 0);
}

static void popen_again(void)
{
    FILE *second = popen("exit 3", "w");
    char text[20] = "";
    EXPECT(fgets(text, sizeof text, command) && strcmp(text, "two\n") == 0);
    EXPECT(pclose(command) == 0 && WEXITSTATUS(pclose(second)) == 3);
}

/* ---- streams in memory ----------------------------------------------------------------------- */

static FILE *memory;
static char *memory_text;
static size_t memory_size;

static void open_memstream_first(void)
{
    memory = open_memstream(&memory_text, &memory_size);
    EXPECT(memory && fprintf(memory, "%0200d", 1) == 200 && fflush(memory) == 0);
    EXPECT(memory_size == 200 && memory_text[199] == '1');
}

static void open_memstream_again(void)
{
    EXPECT(fprintf(memory, "%020000d", 2) == 20000 && fclose(memory) == 0);
    EXPECT(memory_size == 20200 && memory_text[199] == '1' && memory_text[20199] == '2');
    free(memory_text);
}

/* The text outlives the stream that made it; the caller frees it, or lets go of it. */
static char *closed_text[2];
static size_t closed_size[2];

static void open_memstream_closed_first(void)
{
    for (int i = 0; i < 2; i++) {
        FILE *stream = open_memstream(&closed_text[i], &closed_size[i]);
        EXPECT(stream && fputs("made and closed in the scope", stream) >= 0);
        EXPECT(fclose(stream) == 0);
    }
    free(closed_text[1]);
}

static void open_memstream_closed_again(void)
{
    EXPECT(closed_size[0] == 28 && strcmp(closed_text[0], "made and closed in the scope") == 0);
    free(closed_text[0]);
}

static FILE *wide_memory;
static wchar_t *wide_text;
static size_t wide_size;

static void open_wmemstream_first(void)
{
    wide_memory = open_wmemstream(&wide_text, &wide_size);
    EXPECT(wide_memory && fwprintf(wide_memory, L"%0100d", 1) == 100);
}

static void open_wmemstream_again(void)
{
    EXPECT(fwprintf(wide_memory, L"%05000d", 2) == 5000 && fclose(wide_memory) == 0);
    EXPECT(wide_size == 5100 && wide_text[99] == L'1' && wide_text[5099] == L'2');
    free(wide_text);
}

static FILE *mapped;

static void fmemopen_first(void)
{
    mapped = fmemopen(NULL, 1000, "w+");
    EXPECT(mapped && fputs("first ", mapped) >= 0);
}

static void fmemopen_again(void)
{
    char text[20] = "";
    EXPECT(fputs("second\n", mapped) >= 0 && fseek(mapped, 0, SEEK_SET) == 0);
    EXPECT(fgets(text, sizeof text, mapped) && strcmp(text, "first second\n") == 0);
    EXPECT(fclose(mapped) == 0);
}

static FILE *custom;

static ssize_t custom_read(void *cookie, char *bytes, size_t size)
{
    memset(bytes, *(const char *)cookie, size);
    return (ssize_t)size;
}

static void fopencookie_first(void)
{
    static char filler = 'x';
    custom = fopencookie(&filler, "r", (cookie_io_functions_t){.read = custom_read});
    EXPECT(custom && fgetc(custom) == 'x');
}

static void fopencookie_again(void)
{
    for (int i = 0; i < 5000; i++)
        EXPECT(fgetc(custom) == 'x');
    EXPECT(fclose(custom) == 0);
}

/* ---- results that are the caller's ----------------------------------------------------------- */

static FILE *lines;
static char *line, *field;
static size_t line_size, field_size;

static void getline_first(void)
{
    lines = fopen(keeps_path("lines"), "r");
    EXPECT(lines && getline(&line, &line_size, lines) == 7 && strcmp(line, "line 1\n") == 0);
    EXPECT(getdelim(&field, &field_size, ' ', lines) == 5 && strcmp(field, "line ") == 0);
    char *gone = NULL;
    size_t gone_size = 0;
    EXPECT(getline(&gone, &gone_size, lines) == 2);
    free(gone);
}

static void getline_again(void)
{
    EXPECT(strcmp(line, "line 1\n") == 0 && strcmp(field, "line ") == 0);
    EXPECT(getdelim(&line, &line_size, '\0', lines) > 2000);
    EXPECT(getdelim(&field, &field_size, ' ', lines) == -1);
    free(line);
    free(field);
    EXPECT(fclose(lines) == 0);
}

static char *printed[3];

static void asprintf_first(void)
{
    for (int i = 0; i < 3; i++)
        EXPECT(asprintf(&printed[i], "%s %0500d", "number", i) == 507);
    free(printed[2]);
}

static void asprintf_again(void)
{
    char *more = NULL;
    EXPECT(printed[0][506] == '0' && printed[1][506] == '1');
    EXPECT(asprintf(&more, "%s, %s", printed[0], printed[1]) == 1016);
    free(more);
    free(printed[0]);
    printed[1] = realloc(printed[1], 10000);
    EXPECT(printed[1] && strncmp(printed[1], "number 000", 10) == 0);
    free(printed[1]);
}

static char *copies[4];
static wchar_t *wide_copy;

static void strdup_first(void)
{
    copies[0] = strdup("a copy");
    copies[1] = strndup("a copy in part", 6);
    copies[2] = strdup("freed in the scope");
    wide_copy = wcsdup(L"a copy");
    free(copies[2]);
}

static void strdup_again(void)
{
    EXPECT(strcmp(copies[0], "a copy") == 0 && strcmp(copies[1], "a copy") == 0);
    EXPECT(wcscmp(wide_copy, L"a copy") == 0);
    copies[0] = realloc(copies[0], 5000);
    EXPECT(copies[0] && strcmp(copies[0], "a copy") == 0);
    free(copies[0]);
    free(copies[1]);
    free(wide_copy);
}

static char *scanned;
static wchar_t *scanned_wide;

static void scanf_first(void)
{
    int number = 0;
    EXPECT(sscanf("word wide 4711", "%ms %mS %d", &scanned, &scanned_wide, &number) == 3);
    EXPECT(number == 4711);
}

static void scanf_again(void)
{
    char *set = NULL;
    EXPECT(strcmp(scanned, "word") == 0 && wcscmp(scanned_wide, L"wide") == 0);
    EXPECT(sscanf("aaab", "%m[a]", &set) == 1 && strcmp(set, "aaa") == 0);
    free(scanned);
    free(scanned_wide);
    free(set);
}

/* ---- formatting ------------------------------------------------------------------------------ */

static char wide_number[100001];

static void huge_widths_first(void)
{
    EXPECT(snprintf(wide_number, sizeof wide_number, "%*d", 100000, 1) == 100000);
    EXPECT(snprintf(wide_number, sizeof wide_number, "%.*f", 50000, 1.5) == 50002);
    printf("%70000d\n", 1);
}

static void huge_widths_again(void)
{
    EXPECT(snprintf(wide_number, sizeof wide_number, "%*d", 100000, 2) == 100000);
    EXPECT(wide_number[99999] == '2');
    printf("%70000d\n%.60000f\n", 2, 2.5);
}

/* libc makes a table of the program's own conversions. */
static int print_pair(FILE *stream, const struct printf_info *info, const void *const *arguments)
{
    (void)info;
    return fprintf(stream, "<%d>", **(const int *const *)arguments);
}

static int pair_arguments(const struct printf_info *info, size_t count, int *types, int *sizes)
{
    (void)info;
    if (count > 0) {
        types[0] = PA_INT;
        sizes[0] = sizeof(int);
    }
    return 1;
}

static void print_one(const char *format)
{
    char text[50] = "";
    EXPECT(snprintf(text, sizeof text, format, 4711) == 6 && strcmp(text, "<4711>") == 0);
}

static void printf_specifier_first(void)
{
    EXPECT(register_printf_specifier('P', print_pair, pair_arguments) == 0);
    print_one("%P");
}

static void printf_specifier_again(void)
{
    print_one("%P");
    EXPECT(register_printf_specifier('Q', print_pair, pair_arguments) == 0);
    print_one("%Q");
}

static void strerror_first(void)
{
    EXPECT(strcmp(strerror(12345), "Unknown error 12345") == 0);
    EXPECT(strcmp(strsignal(1234), "Unknown signal 1234") == 0);
}

static void strerror_again(void)
{
    EXPECT(strcmp(strerror(54321), "Unknown error 54321") == 0);
    EXPECT(strcmp(strsignal(4321), "Unknown signal 4321") == 0);
}

/* ---- wide streams ---------------------------------------------------------------------------- */

static FILE *wide;

static void wide_first(void)
{
    wide = fopen(keeps_path("lines"), "r");
    EXPECT(wide && fwide(wide, 1) > 0 && fgetwc(wide) == L'l' && ungetwc(L'x', wide) == L'x');
    wprintf(L"printed in the scope, %ls\n", L"wide");
}

static void wide_again(void)
{
    wchar_t text[20] = L"";
    EXPECT(fgetws(text, 20, wide) && wcscmp(text, L"xine 1\n") == 0);
    for (int i = 0; i < 299; i++)
        EXPECT(fgetws(text, 20, wide) != NULL);
    EXPECT(fgetwc(wide) == WEOF && fclose(wide) == 0);
    for (int i = 0; i < 1000; i++)
        wprintf(L"printed after it, %ls %d\n", L"wide", i);
}

static const struct keep cases[] = {
    {"printf", printf_first, printf_again},
    {"fopen", fopen_first, fopen_again},
    {"setvbuf", setvbuf_first, setvbuf_again},
    {"ungetc", ungetc_first, ungetc_again},
    {"other_streams", other_streams_first, other_streams_again},
    {"popen", popen_first, popen_again},
    {"open_memstream", open_memstream_first, open_memstream_again},
    {"open_memstream_closed", open_memstream_closed_first, open_memstream_closed_again},
    {"open_wmemstream", open_wmemstream_first, open_wmemstream_again},
    {"fmemopen", fmemopen_first, fmemopen_again},
    {"fopencookie", fopencookie_first, fopencookie_again},
    {"getline", getline_first, getline_again},
    {"asprintf", asprintf_first, asprintf_again},
    {"strdup", strdup_first, strdup_again},
    {"scanf", scanf_first, scanf_again},
    {"huge_widths", huge_widths_first, huge_widths_again},
    {"printf_specifier", printf_specifier_first, printf_specifier_again},
    {"strerror", strerror_first, strerror_again},
    {"wide_streams", wide_first, wide_again},
};
KEEPS_MAIN(cases)

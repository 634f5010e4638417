/* Reading specs, from a text and from a file. */
#include "wrap/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

bool spec_is_glob(const char *pattern)
{
    return pattern[strcspn(pattern, "*?[\\")] != '\0';
}

bool spec_fits(const char *pattern, const char *text)
{
    return strcmp(pattern, text) == 0 || (spec_is_glob(pattern) && fnmatch(pattern, text, 0) == 0);
}

/* Takes "reset:" or "retain:" off; "reset::f" is a C++ name. */
static void read_prefix(const char **text, const char *end, bool *retain)
{
    static const char *const prefixes[] = {"reset:", "retain:"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(prefixes[i]);
        if ((size_t)(end - *text) < length || memcmp(*text, prefixes[i], length) != 0 ||
            (*text)[length] == ':')
            continue;
        *text += length;
        *retain = i == 1;
        return;
    }
}

/* The '!' that ends the module part: the first one that is neither in the brackets of a glob nor
 * that of a C++ operator. NULL when there is none. */
static const char *find_separator(const char *text, const char *end)
{
    static const char word[] = "operator";
    const size_t length = sizeof word - 1;
    bool in_brackets = false;
    for (const char *at = text; at < end; at++) {
        if (*at == '[' && memchr(at, ']', (size_t)(end - at)))
            in_brackets = true;
        else if (*at == ']')
            in_brackets = false;
        else if (*at == '!' && !in_brackets &&
                 ((size_t)(at - text) < length || memcmp(at - length, word, length) != 0))
            return at;
    }
    return NULL;
}

/* Reads "+0xOFFSET". NULL or the reason. */
static const char *read_offset(const char *text, const char *end, uintptr_t *offset)
{
    static const char reason[] = "the offset is no hexadecimal number that begins with 0x";
    if (end - text < 4 || text[1] != '0' || text[2] != 'x')
        return reason;
    uintptr_t number = 0;
    for (const char *at = text + 3; at < end; at++) {
        const char *digits = "0123456789abcdef";
        const char *digit = memchr(digits, *at | ('A' <= *at && *at <= 'F' ? 0x20 : 0), 16);
        if (!digit || number >> 60 != 0)
            return reason;
        number = number << 4 | (uintptr_t)(digit - digits);
    }
    *offset = number;
    return NULL;
}

const char *spec_parse(const char *text, size_t length, bool retain, struct spec *spec)
{
    const char *end = text + length;
    *spec = (struct spec){.text = memory_text(text, length), .retain = retain};
    read_prefix(&text, end, &spec->retain);
    const char *separator = find_separator(text, end);
    if (separator) {
        if (separator == text)
            return "nothing stands before '!'";
        spec->module = memory_text(text, (size_t)(separator - text));
        text = separator + 1;
    }
    if (text == end)
        return "no function is named";
    if (*text == '+') {
        if (!separator)
            return "an offset needs its module";
        return read_offset(text, end, &spec->offset);
    }
    spec->name = memory_text(text, (size_t)(end - text));
    return spec->text && spec->name && (spec->module || !separator) ? NULL : "there is no memory";
}

void spec_put(struct text *line, const struct spec *spec)
{
    text_name(line, spec->source);
    if (spec->line > 0) {
        text_str(line, ":");
        text_uint(line, spec->line);
    }
    text_str(line, ": '");
    text_name(line, spec->text);
    text_str(line, "'");
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

/* One item of a text: 0 when it is blank or was appended, 1 when it is malformed. */
static size_t read_item(struct list *specs, const char *text, const char *end, bool retain,
                        const char *source, unsigned number)
{
    while (text < end && is_blank(*text))
        text++;
    while (end > text && is_blank(end[-1]))
        end--;
    if (text == end)
        return 0;
    struct spec read;
    const char *reason = spec_parse(text, (size_t)(end - text), retain, &read);
    read.source = source;
    read.line = number;
    struct spec *spec = reason ? NULL : list_add(specs, sizeof *spec);
    if (spec) {
        *spec = read;
        return 0;
    }
    struct text line;
    text_message(&line);
    spec_put(&line, &read);
    text_str(&line, " is not accepted and is ignored: ");
    text_str(&line, reason ? reason : "there is no memory");
    text_str(&line, "; " SPEC_ACCEPTED);
    text_end(&line);
    return 1;
}

size_t specs_read(struct list *specs, const char *text, bool retain)
{
    size_t malformed = 0;
    for (;;) {
        size_t length = strcspn(text, ";");
        malformed += read_item(specs, text, text + length, retain, "ARENASHIM_SCOPES", 0);
        if (text[length] == '\0')
            return malformed;
        text += length + 1;
    }
}

/* The contents of a file with a NUL behind them; NULL with errno set. */
static char *read_whole(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = fd < 0 ? NULL : memory_take(FILE_BYTES_MAX);
    size_t length = 0;
    ssize_t got = text ? 1 : -1;
    while (got > 0 && length < FILE_BYTES_MAX - 1) {
        got = read(fd, text + length, FILE_BYTES_MAX - 1 - length);
        if (got > 0)
            length += (size_t)got;
    }
    int error = got < 0 ? errno : got > 0 ? EFBIG : 0;
    if (fd >= 0)
        close(fd);
    errno = error;
    return error == 0 ? text : NULL;
}

size_t specs_read_file(struct list *specs, const char *file, bool retain)
{
    const char *text = read_whole(file);
    if (!text) {
        int error = errno;
        struct text line;
        text_message(&line);
        text_str(&line, "ARENASHIM_SCOPE_FILE='");
        text_name(&line, file);
        text_str(&line, "' cannot be read and is ignored: ");
        text_error(&line, error);
        text_str(&line, "; it takes a file of at most 1M with one spec a line");
        text_end(&line);
        return 1;
    }
    size_t malformed = 0;
    for (unsigned number = 1; *text != '\0'; number++) {
        size_t length = strcspn(text, "\n");
        size_t first = strspn(text, " \t");
        if (text[first] != '#')
            malformed += read_item(specs, text, text + length, retain, file, number);
        text += length + (text[length] == '\n');
    }
    return malformed;
}

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/numbers.h"

/* Writes a number in `base`, with a NUL. */
static void write_number(char digits[TEXT_NUMBER_SIZE], uint64_t number, unsigned base)
{
    char *end = digits + TEXT_NUMBER_SIZE;
    char *first = end;
    *--first = '\0';
    do {
        *--first = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    memmove(digits, first, (size_t)(end - first));
}

void text_decimal(char digits[TEXT_NUMBER_SIZE], uint64_t number)
{
    write_number(digits, number, 10);
}

void text_hexadecimal(char digits[TEXT_NUMBER_SIZE], uint64_t number)
{
    write_number(digits, number, 16);
}

bool text_append_bytes(char *string, size_t size, const char *bytes, size_t length)
{
    size_t used = strlen(string);
    size_t added = lower(length, size - 1 - used);
    memcpy(string + used, bytes, added);
    string[used + added] = '\0';
    return added == length;
}

bool text_append(char *string, size_t size, const char *more)
{
    return text_append_bytes(string, size, more, strlen(more));
}

void text_open(struct text *text, int fd)
{
    text->fd = fd;
    text->error = 0;
    text->length = 0;
}

/* Of stderr, at the first call of text_stderr. */
static enum { UNKNOWN, OPEN, CLOSED } at_start;

void text_silence(void)
{
    __atomic_store_n(&at_start, CLOSED, __ATOMIC_RELAXED);
}

int text_stderr(void)
{
    int seen = __atomic_load_n(&at_start, __ATOMIC_RELAXED);
    if (seen == UNKNOWN) {
        int saved_errno = errno;
        seen = fcntl(STDERR_FILENO, F_GETFD) < 0 ? CLOSED : OPEN;
        errno = saved_errno;
        __atomic_store_n(&at_start, seen, __ATOMIC_RELAXED);
    }
    return seen == OPEN ? STDERR_FILENO : -1;
}

void text_message(struct text *text)
{
    text_open(text, text_stderr());
    text_str(text, "arenashim: ");
}

bool text_flush(struct text *text)
{
    int saved_errno = errno;
    size_t done = 0;
    while (done < text->length && text->error == 0) {
        ssize_t written = write(text->fd, text->bytes + done, text->length - done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0)
            text->error = ENOSPC; /* a device that takes nothing and says nothing */
        else if (errno != EINTR)
            text->error = errno;
    }
    text->length = 0;
    errno = saved_errno;
    return text->error == 0;
}

void text_bytes(struct text *text, const char *bytes, size_t length)
{
    while (length > 0) {
        if (text->length == sizeof text->bytes)
            text_flush(text);
        size_t piece = lower(length, sizeof text->bytes - text->length);
        memcpy(text->bytes + text->length, bytes, piece);
        text->length += piece;
        bytes += piece;
        length -= piece;
    }
}

void text_str(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_uint(struct text *text, uint64_t number)
{
    char digits[TEXT_NUMBER_SIZE];
    text_decimal(digits, number);
    text_str(text, digits);
}

static void put_hexadecimal(struct text *text, uint64_t number)
{
    char digits[TEXT_NUMBER_SIZE];
    text_hexadecimal(digits, number);
    text_str(text, digits);
}

void text_address(struct text *text, uintptr_t address)
{
    text_str(text, "0x");
    put_hexadecimal(text, address);
}

void text_error(struct text *text, int error)
{
    const char *reason = strerrordesc_np(error);
    text_str(text, reason ? reason : "unknown error");
}

/* Length in bytes of the valid UTF-8 sequence that starts at `at` (RFC 3629), 0 when there is
 * none. The terminating NUL is not a continuation byte, so nothing past it is read. */
static size_t utf8_length(const unsigned char *at)
{
    static const struct {
        unsigned char first, last, second_from, second_to;
        size_t length;
    } forms[] = {
        {0x20, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (at[0] < forms[i].first || at[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 && (at[1] < forms[i].second_from || at[1] > forms[i].second_to))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((at[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

void text_json(struct text *text, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (*at == '"' || *at == '\\') {
            text_bytes(text, "\\", 1);
            text_bytes(text, (const char *)at++, 1);
        } else if (*at < 0x20) {
            text_str(text, *at < 0x10 ? "\\u000" : "\\u00");
            put_hexadecimal(text, *at++);
        } else if (length > 0) {
            text_bytes(text, (const char *)at, length);
            at += length;
        } else {
            text_str(text, "\\ufffd");
            at++;
        }
    }
}

bool text_end(struct text *text)
{
    text_bytes(text, "\n", 1);
    return text_flush(text);
}

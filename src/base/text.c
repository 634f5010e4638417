#include "base/text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/descriptor.h"
#include "base/numbers.h"

/* Milliseconds that a reader may let the host wait. */
#define PATIENCE 2000

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

bool text_same(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return *a == *b;
}

void text_open(struct text *text, int fd)
{
    text->fd = fd;
    text->error = 0;
    text->length = 0;
}

static enum { UNKNOWN, NOTED, SILENT } stderr_state;
static struct descriptor stderr_noted;

void text_note_stderr(void)
{
    descriptor_note(&stderr_noted, STDERR_FILENO);
    __atomic_store_n(&stderr_state, NOTED, __ATOMIC_RELEASE);
}

void text_silence(void)
{
    __atomic_store_n(&stderr_state, SILENT, __ATOMIC_RELAXED);
}

int text_stderr(void)
{
    int seen = __atomic_load_n(&stderr_state, __ATOMIC_ACQUIRE);
    if (seen == UNKNOWN)
        text_note_stderr();
    return seen == SILENT ? -1 : descriptor_now(&stderr_noted);
}

void text_message(struct text *text)
{
    text_open(text, text_stderr());
    text_str(text, "arenashim: ");
}

/* Writes all. Returns 0 or an errno. */
static int write_all(int fd, const char *bytes, size_t length)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (fd < 0)
        return EBADF;
    while (length > 0) {
        if (poll(&ready, 1, PATIENCE) == 0)
            return ETIMEDOUT;
        ssize_t written = write(fd, bytes, length);
        if (written == 0)
            return ENOSPC; /* a device that takes nothing and says nothing */
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/* What a write that failed has sent to this thread, unless one was waiting already. */
static void take_signal(const sigset_t *waiting, int number)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, number);
    if (!sigismember(waiting, number))
        sigtimedwait(&own, NULL, &(struct timespec){0});
}

/* The host sees nothing of the writing: no signal of a pipe without a reader (SIGPIPE), of a file
 * at its limit (SIGXFSZ) or of a terminal that is another's (SIGTTOU), no handler that comes
 * between, and it is not cancelled here. */
static int write_aside(int fd, const char *bytes, size_t length)
{
    sigset_t all, before, waiting;
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sigpending(&waiting);
    int error = write_all(fd, bytes, length);
    if (error == EPIPE)
        take_signal(&waiting, SIGPIPE);
    else if (error == EFBIG)
        take_signal(&waiting, SIGXFSZ);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_setcancelstate(cancel, NULL);
    return error;
}

bool text_flush(struct text *text)
{
    int saved_errno = errno;
    if (text->length > 0 && text->error == 0)
        text->error = write_aside(text->fd, text->bytes, text->length);
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
#ifdef HAVE_STRERRORDESC_NP
    const char *reason = strerrordesc_np(error);
#elif HAVE_DECL_SYS_ERRLIST /* strerror may allocate, for translations */
    const char *reason = error >= 0 && error < sys_nerr ? sys_errlist[error] : NULL;
#else                       /* musl's does not */
    const char *reason = strerror(error);
#endif
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

void text_name(struct text *text, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    while (*at != '\0') {
        size_t length = utf8_length(at);
        bool is_control = *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
        if (length > 0 && !is_control) {
            text_bytes(text, (const char *)at, length);
            at += length;
        } else {
            text_str(text, *at < 0x10 ? "\\x0" : "\\x");
            put_hexadecimal(text, *at++);
        }
    }
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

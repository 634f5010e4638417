#include "engine/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "next/fixed.h"

uintptr_t learned[LEARNED_SIZE];

/* Bits set for those that the file holds already. */
static uint8_t loaded[LEARNED_SIZE / 8];
static uint64_t count;

/* A copy of the file as it was at start, and at last as it is at exit. */
static const char *file;
static size_t file_size;
static bool is_unreadable; /* and not written either: one message is enough */

/* ---- the table ------------------------------------------------------------------------------- */

/* The site's place, or that of the first 0 behind its home. */
static size_t find(uintptr_t caller)
{
    size_t place = learn_place(caller);
    for (;;) {
        uintptr_t seen = __atomic_load_n(&learned[place], __ATOMIC_RELAXED);
        if (seen == 0 || seen == caller)
            return place;
        place = (place + 1) & (LEARNED_SIZE - 1);
    }
}

bool learn_knows(uintptr_t caller)
{
    return __atomic_load_n(&learned[find(caller)], __ATOMIC_RELAXED) != 0;
}

bool learn_enter(uintptr_t caller)
{
    if (__atomic_load_n(&count, __ATOMIC_RELAXED) >= LEARNED_MAX)
        return false;
    for (;;) {
        uintptr_t nobody = 0;
        size_t place = find(caller);
        if (__atomic_compare_exchange_n(&learned[place], &nobody, caller, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
            __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
            return true;
        }
        if (nobody == caller)
            return false;
    }
}

uint64_t learn_count(void)
{
    return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void say(const char *what, const char *detail, size_t length, const char *reason)
{
    struct text line;
    text_message(&line);
    text_str(&line, "ARENASHIM_LEARN='");
    text_str(&line, fixed.config.learn);
    text_str(&line, "': ");
    text_str(&line, what);
    text_bytes(&line, detail, length);
    text_str(&line, reason);
    text_end(&line);
}

static void say_error(const char *what, int error)
{
    const char *reason = strerrordesc_np(error);
    say(what, "", 0, reason ? reason : "unknown error");
}

/* Reads "MODULE+0xOFFSET" of `length` bytes. Returns the length of MODULE, or 0. */
static size_t read_site(const char *line, size_t length, uintptr_t *offset)
{
    const char *plus = memrchr(line, '+', length);
    *offset = 0;
    if (!plus || plus == line || length - (size_t)(plus - line) < 4 ||
        memcmp(plus, "+0x", 3) != 0 || length - (size_t)(plus - line) > 3 + 16)
        return 0;
    for (const char *digit = plus + 3; digit < line + length; digit++) {
        static const char digits[] = "0123456789abcdef";
        const char *found = memchr(digits, *digit, 16);
        if (!found)
            return 0;
        *offset = *offset << 4 | (uintptr_t)(found - digits);
    }
    return (size_t)(plus - line);
}

/* The next line from *at on, without what lies behind a '#' and blanks at its end; false at the
 * end. */
static bool next_line(const char **at, const char **line, size_t *length)
{
    if (!file || *at == file + file_size)
        return false;
    size_t left = file_size - (size_t)(*at - file);
    const char *newline = memchr(*at, '\n', left);
    *line = *at;
    *at = newline ? newline + 1 : file + file_size;
    *length = (size_t)(newline ? newline - *line : *at - *line);
    const char *comment = memchr(*line, '#', *length);
    if (comment)
        *length = (size_t)(comment - *line);
    while (*length > 0 && ((*line)[*length - 1] == ' ' || (*line)[*length - 1] == '\r'))
        (*length)--;
    return true;
}

static void check_lines(void)
{
    const char *line, *at = file;
    size_t length;
    while (next_line(&at, &line, &length)) {
        uintptr_t offset;
        if (length == 0 || read_site(line, length, &offset) > 0)
            continue;
        say("'", line, length < 200 ? length : 200,
            "' is not a site, and such lines are ignored; a site is MODULE+0xOFFSET");
        return;
    }
}

/* Neither waits for the other end of a pipe. */
static int open_file(int flags)
{
    return open(fixed.config.learn, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
}

/* Returns 0 or an errno. Not mapped: who shortens the file then would end this process. */
static int copy_file(int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return errno;
    if (status.st_size == 0)
        return 0;
    size_t size = (size_t)status.st_size, length = 0;
    char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return errno;
    ssize_t got = 0;
    while (length < size &&
           ((got = read(fd, copy + length, size - length)) > 0 || (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    int error = got < 0 ? errno : 0;
    file = copy;
    file_size = length;
    return error;
}

/* A file that does not exist is empty. Returns 0 or an errno. */
static int read_file(void)
{
    int fd = open_file(O_RDONLY);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    int error = copy_file(fd);
    close(fd);
    return error;
}

void learn_start(void)
{
    if (*fixed.config.learn == '\0')
        return;
    int saved_errno = errno;
    int error = read_file();
    is_unreadable = error != 0;
    if (is_unreadable)
        say_error("cannot be read: ", error);
    else
        check_lines();
    errno = saved_errno;
}

void learn_module(const struct module *module)
{
    const char *line, *at = file;
    size_t length;
    while (next_line(&at, &line, &length)) {
        uintptr_t offset;
        size_t name = read_site(line, length, &offset);
        if (name == 0 || strlen(module->name) != name || memcmp(line, module->name, name) != 0 ||
            offset >= module->end - module->start)
            continue;
        learn_enter(module->start + offset);
        size_t place = find(module->start + offset);
        __atomic_fetch_or(&loaded[place / 8], (uint8_t)(1 << place % 8), __ATOMIC_RELAXED);
    }
}

/* Appends what is new: parents and children may have been here meanwhile. Two processes may do so
 * at once: each line is written as a whole, and one that comes twice does no harm. */
static int append(int fd)
{
    struct text line;
    struct module_cache cache = {.next = 0};
    text_open(&line, fd);
    if (file_size > 0 && file[file_size - 1] != '\n')
        text_end(&line);
    for (size_t place = 0; place < LEARNED_SIZE; place++) {
        uintptr_t caller = learned[place];
        if (caller == 0 || loaded[place / 8] >> place % 8 & 1 || !modules_find(&cache, caller))
            continue;
        modules_describe(&line, caller);
        text_end(&line);
    }
    return line.error;
}

void learn_save(void)
{
    if (*fixed.config.learn == '\0' || is_unreadable)
        return;
    int saved_errno = errno;
    if (learn_count() > 0 && read_file() == 0)
        for (int i = 0; i < modules_count(); i++)
            if (__atomic_load_n(&modules_at(i)->ready, __ATOMIC_ACQUIRE))
                learn_module(modules_at(i));
    int fd = open_file(O_WRONLY | O_APPEND | O_CREAT);
    int error = fd < 0 ? errno : append(fd);
    if (fd >= 0)
        close(fd);
    if (error != 0)
        say_error("cannot be written: ", error);
    errno = saved_errno;
}

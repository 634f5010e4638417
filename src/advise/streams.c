#include "advise/streams.h"

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "advise/advice.h"
#include "advise/need.h"

/* `expected` is what the first run printed. */
static int input, expected = -1, output = -1, errors = -1;

/* An unnamed file for scratch. */
static int make_file(void)
{
    const char *directory = getenv("TMPDIR");
    if (!directory || *directory == '\0')
        directory = "/tmp";
    char *name = need_text("%s/arenashim-XXXXXX", directory);
    int file = mkostemp(name, O_CLOEXEC);
    if (file < 0)
        err(ADVISE_FAILED, "cannot make a file in '%s' (TMPDIR)", directory);
    unlink(name);
    free(name);
    return file;
}

static void renew(int *file)
{
    if (*file >= 0)
        close(*file);
    *file = make_file();
}

static void keep_input(void)
{
    char buffer[65536];
    ssize_t got;
    input = make_file();
    /* Of a service's input, or a pipe's that somebody keeps open, there may be no end. */
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&ready, 1, 1000) == 0)
        warnx("standard input is kept for the runs until it ends; '</dev/null' gives them none");
    while ((got = read(STDIN_FILENO, buffer, sizeof buffer)) > 0)
        if (write(input, buffer, (size_t)got) != got)
            err(ADVISE_FAILED, "cannot keep standard input in a file");
    if (got < 0)
        err(ADVISE_FAILED, "cannot read standard input");
}

void streams_start(void)
{
    if (isatty(STDIN_FILENO))
        input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    else
        keep_input();
}

void streams_renew(void)
{
    renew(&output);
    renew(&errors);
}

bool streams_connect(void)
{
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", input);
    /* Opened anew: each run has a place in it of its own. */
    int in = open(name, O_RDONLY | O_CLOEXEC);
    return in >= 0 && dup2(in, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
           dup2(errors, STDERR_FILENO) >= 0;
}

static bool are_equal(int one, int other)
{
    struct stat first, second;
    if (fstat(one, &first) != 0 || fstat(other, &second) != 0 || first.st_size != second.st_size)
        return false;
    size_t size = (size_t)first.st_size;
    if (size == 0)
        return true;
    void *left = mmap(NULL, size, PROT_READ, MAP_PRIVATE, one, 0);
    void *right = mmap(NULL, size, PROT_READ, MAP_PRIVATE, other, 0);
    if (left == MAP_FAILED || right == MAP_FAILED)
        err(ADVISE_FAILED, "cannot compare what two runs printed");
    bool equal = memcmp(left, right, size) == 0;
    munmap(left, size);
    munmap(right, size);
    return equal;
}

bool streams_differ(void)
{
    if (expected >= 0)
        return !are_equal(expected, output);
    expected = output;
    output = -1;
    return false;
}

char *streams_last_line(void)
{
    char text[1024];
    off_t size = lseek(errors, 0, SEEK_END);
    off_t start = size > (off_t)sizeof text ? size - (off_t)sizeof text : 0;
    ssize_t length = pread(errors, text, sizeof text, start);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    if (length <= 0)
        return need_text("%s", "");
    const char *newline = memrchr(text, '\n', (size_t)length);
    const char *line = newline ? newline + 1 : text;
    return need_text("%.*s", (int)(text + length - line), line);
}

char *streams_line(const char *beginning)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fdopen(dup(errors), "re");
    if (!file)
        err(ADVISE_FAILED, "cannot read what a run printed");
    rewind(file);
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, beginning, strlen(beginning)) == 0) {
            fclose(file);
            return line;
        }
    }
    fclose(file);
    free(line);
    return NULL;
}

#include "report/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/text.h"
#include "next/fixed.h"
#include "settings/rank.h"
#include "settings/table.h"

/* So many descriptors are looked at for the file that the statistics are to replace. */
#define DESCRIPTORS_LOOKED 1024
#define DESCRIPTORS_ASKED 64

static struct descriptor named = {.number = -1};

void output_note(void)
{
    descriptor_note(&named, setting_descriptor(fixed.config.stats_file));
}

/* "%{PID}" is nothing in that process and ".PID" with its own in any other: see environment.h.
 * Appends what it stands for, and returns its length; 0 when `at` holds no such thing. */
static size_t expand_process(const char *at, char name[PATH_MAX])
{
    bool is_own;
    size_t length = setting_mark(at, &is_own);
    if (length > 0 && !is_own) {
        char ending[1 + TEXT_NUMBER_SIZE] = ".";
        text_decimal(ending + 1, (uint64_t)getpid());
        text_append(name, PATH_MAX, ending);
    }
    return length;
}

static void rank(char digits[TEXT_NUMBER_SIZE])
{
    if (fixed.config.rank == RANK_NONE)
        strcpy(digits, "-");
    else
        text_decimal(digits, (uint64_t)fixed.config.rank);
}

/* %p is the process ID, %r the rank or "-", %h the host name, %% a percent sign, and %{PID} as
 * above; anything else stands as it is. What it all makes is appended. */
static void expand(const char *pattern, char name[PATH_MAX])
{
    while (*pattern) {
        char part[HOST_NAME_MAX + 1] = {*pattern, '\0'};
        size_t length = expand_process(pattern, name);
        if (length > 0) {
            pattern += length;
            continue;
        }
        if (pattern[0] == '%' && pattern[1] == 'p')
            text_decimal(part, (uint64_t)getpid());
        else if (pattern[0] == '%' && pattern[1] == 'r')
            rank(part);
        else if (pattern[0] == '%' && pattern[1] == 'h')
            gethostname(part, sizeof part - 1);
        else if (pattern[0] != '%' || pattern[1] != '%')
            pattern--;
        pattern += 2;
        text_append(name, PATH_MAX, part);
    }
}

/* Which of the numbers from `first` on are open, by one system call. */
static void ask(struct pollfd asked[DESCRIPTORS_ASKED], int first)
{
    for (int i = 0; i < DESCRIPTORS_ASKED; i++)
        asked[i] = (struct pollfd){.fd = first + i};
    poll(asked, DESCRIPTORS_ASKED, 0);
}

/* Another descriptor of the same file: stdout or stderr if it is one; -1 when there is none. */
static int find_other(int fd)
{
    struct pollfd asked[DESCRIPTORS_ASKED];
    struct descriptor file, other;
    int found = -1;
    descriptor_note(&file, fd);
    for (int i = 0; i < DESCRIPTORS_LOOKED; i++) {
        struct pollfd *one = &asked[i % DESCRIPTORS_ASKED];
        if (one == asked)
            ask(asked, i);
        if (i != fd && !(one->revents & POLLNVAL) && descriptor_note(&other, i) &&
            descriptor_equals(&file, &other) && (found < 0 || i <= STDERR_FILENO))
            found = i;
    }
    return found;
}

/* ---- a file of its own ----------------------------------------------------------------------- */

/* Without O_NONBLOCK a pipe that nobody reads would be waited for; with O_TRUNC, or without
 * O_NOCTTY, opening alone would change what is the host's. */
#define FLAGS (O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Other processes may make them at the same time. */
static void make_directories(char *name)
{
    for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0777);
        *slash = '/';
    }
}

/* Opens a file beside the one that is meant, whose place it takes when it is complete: many hosts
 * may share the folder, and somebody reads there. Host, process and time make its name; a glob
 * passes over it. Returns -1 when there can be none. */
static int open_beside(struct output *output, mode_t mode)
{
    const char *slash = strrchr(output->name, '/');
    char *name = output->beside, nanoseconds[TEXT_NUMBER_SIZE];
    struct timespec now = {0};
    if (slash)
        text_append_bytes(name, PATH_MAX, output->name, (size_t)(slash + 1 - output->name));
    clock_gettime(CLOCK_REALTIME, &now);
    text_decimal(nanoseconds, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    expand(".arenashim-%h-%p-", name);
    int fd = -1;
    if (text_append(name, PATH_MAX, nanoseconds)) {
        fd = open(name, FLAGS | O_CREAT | O_EXCL, mode);
        if (fd < 0 && errno == ENOENT) {
            make_directories(name);
            fd = open(name, FLAGS | O_CREAT | O_EXCL, mode);
        }
    }
    if (fd < 0)
        *name = '\0';
    return fd;
}

static void use_other(struct output *output, int other)
{
    close(output->fd);
    output->is_own = false;
    output->fd = other;
    if (other != STDOUT_FILENO && other != STDERR_FILENO) {
        output->fd = -1;
        output->reason = "the program has this file open";
    }
}

/* Replaces the regular file just opened, unless the host has it open. Where a new file could not
 * take its place unnoticed (it has further names or another owner, this name is a link to it) or
 * cannot be made, the file itself is emptied. */
static void replace(struct output *output)
{
    struct stat status;
    int other = find_other(output->fd);
    if (other >= 0) {
        use_other(output, other);
        return;
    }
    int beside = -1;
    if (lstat(output->name, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
        status.st_uid == geteuid())
        beside = open_beside(output, status.st_mode & 0777);
    if (beside < 0) {
        if (ftruncate(output->fd, 0) != 0)
            output->error = errno;
        return;
    }
    close(output->fd);
    output->fd = beside;
}

/* A link that leads nowhere stays, and what it names is made. */
static void create(struct output *output)
{
    struct stat status;
    if (lstat(output->name, &status) != 0)
        output->fd = open_beside(output, 0666);
    if (output->fd < 0)
        output->fd = open(output->name, FLAGS | O_CREAT, 0666);
}

static void open_file(struct output *output)
{
    struct stat status;
    output->fd = open(output->name, FLAGS);
    if (output->fd < 0 && errno == ENOENT)
        create(output);
    output->is_own = output->fd >= 0;
    if (output->fd < 0)
        output->error = errno;
    else if (*output->beside == '\0' && fstat(output->fd, &status) == 0 && S_ISREG(status.st_mode))
        replace(output);
}

static void open_descriptor(struct output *output)
{
    output->fd = descriptor_now(&named);
    if (output->fd < 0)
        output->reason = "it is closed, or another file by now";
}

/* The C library writes what the host has buffered after the shim has gone. */
static void let_host_write(void)
{
    if (ftrylockfile(stdout) != 0)
        return;
    fflush_unlocked(stdout);
    funlockfile(stdout);
}

void output_open(struct output *output)
{
    const char *pattern = fixed.config.stats_file;
    *output = (struct output){.fd = -1};
    expand(pattern, output->name);
    if (*pattern == '\0')
        output->fd = text_stderr();
    else if (setting_descriptor(pattern) >= 0)
        open_descriptor(output);
    else
        open_file(output);
    if (output->fd == STDOUT_FILENO)
        let_host_write();
}

/* Gives the complete file its name. One that is not complete is of no use; one that cannot have the
 * name is left where it is. */
static void settle(struct output *output)
{
    if (output->error != 0) {
        unlink(output->beside);
        *output->beside = '\0';
    } else if (rename(output->beside, output->name) != 0) {
        output->error = errno;
    }
}

void output_close(struct output *output)
{
    if (output->is_own && close(output->fd) != 0 && output->error == 0)
        output->error = errno;
    if (*output->beside != '\0')
        settle(output);
    if ((output->error == 0 && !output->reason) || *output->name == '\0')
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "the statistics cannot be written to '");
    text_name(&line, output->name);
    text_str(&line, "': ");
    if (output->reason)
        text_str(&line, output->reason);
    else
        text_error(&line, output->error);
    if (*output->beside != '\0') {
        text_str(&line, "; they are in '");
        text_name(&line, output->beside);
        text_str(&line, "'");
    }
    text_end(&line);
}

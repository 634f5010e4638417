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

#include "base/compiler.h"
#include "base/descriptor.h"
#include "base/text.h"
#include "memory/wiped.h"
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

/* When this process was started, in ticks since the system was; 0 where /proc is not to be had. */
static uint64_t start_time(void)
{
    char line[400], *at = NULL; /* the names that processes give themselves are short */
    uint64_t ticks = 0;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (length > 0) {
        line[length] = '\0';
        at = strrchr(line, ')'); /* behind the second field; the name may hold anything */
    }
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    for (; at && at[1] >= '0' && at[1] <= '9'; at++)
        ticks = ticks * 10 + (uint64_t)(at[1] - '0');
    return ticks;
}

/* No other process of this host has the same, and it stays when the process becomes another
 * program: numbers of processes are used again, and in every namespace. Kept, since /proc may
 * become that of another namespace. */
static const char *unique(void)
{
    char digits[TEXT_NUMBER_SIZE];
    struct stat space = {0};
    if (*wiped.unique != '\0')
        return wiped.unique;
    stat("/proc/self/ns/pid", &space);
    uint64_t const parts[] = {(uint64_t)getpid(), start_time(), space.st_ino};
    for (size_t i = 0; i < COUNT(parts); i++) {
        text_decimal(digits, parts[i]);
        text_append(wiped.unique, sizeof wiped.unique, i > 0 ? "-" : "");
        text_append(wiped.unique, sizeof wiped.unique, digits);
    }
    return wiped.unique;
}

/* %p is the process ID, %r the rank or "-", %h the host name, %u a number that no other process of
 * the host has, %% a percent sign, and %{PID} as above; anything else stands as it is. What it all
 * makes is appended. */
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
        else if (pattern[0] == '%' && pattern[1] == 'u')
            strcpy(part, unique());
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

/* Whoever can write to the folder can put a link there: none is followed. Without O_NONBLOCK a pipe
 * that nobody reads would be waited for; with O_TRUNC, or without O_NOCTTY, opening alone would
 * change what is the host's. */
#define FLAGS (O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define FOLDER (O_PATH | O_DIRECTORY | O_CLOEXEC)

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* Opens a folder beneath another. One that is missing is made, unless others do so at the same
 * time; what is in that place instead, as a link, is not followed. */
static int enter(int folder, const char *part)
{
    int inner = openat(folder, part, FOLDER);
    if (inner < 0 && errno == ENOENT && !fixed.config.attended &&
        (mkdirat(folder, part, 0777) == 0 || errno == EEXIST))
        inner = openat(folder, part, FOLDER | O_NOFOLLOW);
    return inner;
}

/* Opens the folder of the name; -1 with errno. */
static int open_folder(char *name)
{
    int folder = open(*name == '/' ? "/" : ".", FOLDER);
    for (char *slash; folder >= 0 && (slash = strchr(name, '/')) != NULL; name = slash + 1) {
        if (slash == name)
            continue;
        *slash = '\0';
        int inner = enter(folder, name), error = errno;
        *slash = '/';
        close(folder);
        folder = inner;
        errno = error;
    }
    return folder;
}

/* Opens a file beside the one that is meant, whose place it takes when it is complete: many hosts
 * may share the folder, and somebody reads there. Host, process and time make its name; a glob
 * passes over it. Returns -1 with errno when there can be none. */
static int open_beside(struct output *output, mode_t mode)
{
    char nanoseconds[TEXT_NUMBER_SIZE];
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    text_decimal(nanoseconds, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    expand(".arenashim-%h-%p-", output->beside);
    text_append(output->beside, sizeof output->beside, nanoseconds);
    int fd = openat(output->folder, output->beside, FLAGS | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        *output->beside = '\0';
    return fd;
}

static void use_other(struct output *output, int other)
{
    output->fd = other;
    output->is_own = false;
    if (other != STDOUT_FILENO && other != STDERR_FILENO) {
        output->fd = -1;
        output->reason = "the program has this file open";
    }
}

/* Where no file can be made beside it, one that is ours alone is emptied: a further name of it may
 * be in another folder. */
static int open_in_place(const struct output *output)
{
    struct stat status;
    int fd = openat(output->folder, last_part(output->name), FLAGS);
    if (fd < 0)
        return fd;
    bool alone = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 &&
                 status.st_uid == geteuid();
    if (!alone || ftruncate(fd, 0) != 0) {
        int error = alone ? errno : EACCES;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Opens what is to become the regular file, unless the host has that open; `seen` is it, by its
 * path alone. */
static void replace(struct output *output, int seen, mode_t mode)
{
    int other = find_other(seen);
    if (other >= 0) {
        use_other(output, other);
        return;
    }
    output->fd = open_beside(output, mode);
    if (output->fd < 0)
        output->fd = open_in_place(output);
}

/* Whether the link leads to a descriptor of the process, as /dev/stdout does for all processes. */
static OUT_OF_LINE bool leads_to_descriptor(const char *name)
{
    char target[PATH_MAX] = "";
    return readlink(name, target, sizeof target - 1) > 0 && setting_descriptor(target) >= 0;
}

/* A link is replaced, and what it leads to stays. What is no file, as a pipe or a terminal, is
 * written to. */
static void open_file(struct output *output)
{
    struct stat status;
    output->is_own = true;
    output->folder = open_folder(output->name);
    if (output->folder < 0) {
        output->error = errno;
        return;
    }
    const char *name = last_part(output->name);
    int seen = openat(output->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool is_there = seen >= 0 && fstat(seen, &status) == 0;
    if (is_there && S_ISREG(status.st_mode))
        replace(output, seen, status.st_mode & 0777);
    else if (is_there && !S_ISLNK(status.st_mode))
        output->fd = openat(output->folder, name, FLAGS);
    else if (is_there && leads_to_descriptor(output->name))
        output->reason = "it is a link to a descriptor, whose name can be given instead";
    else
        output->fd = open_beside(output, 0666);
    if (output->fd < 0 && !output->reason)
        output->error = errno;
    if (seen >= 0)
        close(seen);
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

/* What the name stands for. */
static void expand_name(char name[PATH_MAX])
{
    const char *pattern = fixed.config.stats_file;
    *name = '\0';
    expand(pattern + (fixed.config.attended ? strlen(STATS_ATTENDED) : 0), name);
}

void output_open(struct output *output, bool flush)
{
    const char *pattern = fixed.config.stats_file;
    *output = (struct output){.fd = -1, .folder = -1};
    expand_name(output->name);
    if (*pattern == '\0')
        output->fd = text_stderr();
    else if (setting_descriptor(pattern) >= 0)
        open_descriptor(output);
    else
        open_file(output);
    if (output->fd == STDOUT_FILENO && !output->is_own && flush)
        let_host_write();
}

void output_announce(bool expected)
{
    static char name[PATH_MAX];
    struct text line;
    expand_name(name);
    text_append(name, sizeof name, STATS_BEGUN);
    if (!expected) {
        unlink(name);
        return;
    }
    int fd = open(name, FLAGS | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return;
    text_open(&line, fd);
    text_str(&line, program_invocation_short_name);
    text_flush(&line);
    close(fd);
}

/* Gives the complete file its name. One that is not complete is of no use; one that cannot have the
 * name is left where it is. */
static void settle(struct output *output)
{
    if (output->error != 0) {
        unlinkat(output->folder, output->beside, 0);
        *output->beside = '\0';
    } else if (renameat(output->folder, output->beside, output->folder, last_part(output->name)) !=
               0) {
        output->error = errno;
    }
}

static void say_failure(const struct output *output)
{
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
        text_bytes(&line, output->name, (size_t)(last_part(output->name) - output->name));
        text_name(&line, output->beside);
        text_str(&line, "'");
    }
    text_end(&line);
}

void output_close(struct output *output)
{
    if (output->is_own && output->fd >= 0 && close(output->fd) != 0 && output->error == 0)
        output->error = errno;
    if (*output->beside != '\0')
        settle(output);
    if (output->folder >= 0)
        close(output->folder);
    bool failed = output->error != 0 || output->reason;
    /* The command that has waited for them is gone, and its folder with it. */
    bool late = fixed.config.attended && output->error == ENOENT;
    if (fixed.config.attended && !failed)
        output_announce(false);
    if (failed && !late && *output->name != '\0')
        say_failure(output);
}

#include "cli/program.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/elf_file.h"

/* As in the kernel: scripts may name scripts this deep, and this much of a file is looked at. */
#define INTERPRETERS_MAX 5
#define FIRST_LINE_MAX 256

static bool is_executable(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return false;
    if (!S_ISREG(status.st_mode)) {
        errno = EACCES;
        return false;
    }
    return eaccess(path, X_OK) == 0;
}

/* As execvp does it: an empty element of PATH is the current directory, the search goes on past a
 * file that may not be executed, and such a file is then the reason of the failure. */
static bool search(const char *directories, const char *name, char path[PATH_MAX])
{
    int error = ENOENT;
    for (;;) {
        int length = (int)strcspn(directories, ":");
        const char *slash = length > 0 ? "/" : "";
        int written = snprintf(path, PATH_MAX, "%.*s%s%s", length, directories, slash, name);
        if (written < PATH_MAX) {
            if (is_executable(path))
                return true;
            if (errno != ENOENT && errno != ENOTDIR)
                error = errno;
        }
        if (directories[length] == '\0') {
            errno = error;
            return false;
        }
        directories += length + 1;
    }
}

bool program_find(const char *name, char path[PATH_MAX])
{
    if (*name == '\0' || strchr(name, '/')) {
        if (strlen(name) >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return false;
        }
        strcpy(path, name);
        return is_executable(path);
    }
    const char *directories = getenv("PATH");
    char standard[PATH_MAX];
    if (!directories) {
        confstr(_CS_PATH, standard, sizeof standard);
        directories = standard;
    }
    return search(directories, name, path);
}

static int open_to_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* The interpreter named by a first line `#!INTERPRETER [ARGUMENT]`. False when `path` has no such
 * line or cannot be read. */
static bool read_interpreter(const char *path, char interpreter[PATH_MAX])
{
    char line[FIRST_LINE_MAX + 1];
    int fd = open_to_read(path);
    if (fd < 0)
        return false;
    ssize_t length = pread(fd, line, FIRST_LINE_MAX, 0);
    close(fd);
    if (length < 2 || memcmp(line, "#!", 2) != 0)
        return false;
    line[length] = '\0';
    const char *start = line + 2 + strspn(line + 2, " \t");
    size_t size = strcspn(start, " \t\n");
    if (size == 0 || start + size == line + FIRST_LINE_MAX)
        return false;
    memcpy(interpreter, start, size);
    interpreter[size] = '\0';
    return true;
}

/* True when exec changes the user or group, or grants capabilities: the dynamic linker then runs
 * in secure mode and ignores preloaded paths. Such bits have no effect on a file system mounted
 * nosuid or in a process that may gain no privileges. */
static bool gains_privileges(const char *path)
{
    struct stat status;
    struct statvfs mount;
    if (stat(path, &status) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1)
        return false;
    if (statvfs(path, &mount) == 0 && (mount.f_flag & ST_NOSUID) != 0)
        return false;
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid())
        return true;
    /* Set-group-ID without group execution once meant mandatory locking and grants nothing. */
    if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 &&
        status.st_gid != getgid())
        return true;
    return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static bool is_foreign(int fd, int shim)
{
    struct elf_identity program, library;
    return elf_identify(fd, &program) && elf_identify(shim, &library) &&
           (program.class != library.class || program.data != library.data ||
            program.machine != library.machine);
}

/* The program's C library when it is another than the shim's, else NULL. */
static const char *other_libc(int fd, const char *path, int shim)
{
    const char *found = elf_libc(fd, path), *own = elf_libc(shim, "");
    return found && own && strcmp(found, own) != 0 ? found : NULL;
}

/* What there is to say about preloading into a program, and whether it must not be tried. */
struct obstacle {
    const char *reason; /* completes "'program' ..."; NULL when nothing speaks against it */
    const char *name;   /* completes the reason */
    bool fatal;         /* the program would not start */
};

/* A program may be executable without being readable, as set-user-ID programs often are. */
static struct obstacle find_obstacle(const char *path, const char *shim)
{
    struct obstacle found = {NULL, "", false};
    int fd = open_to_read(path), shim_fd = open_to_read(shim);
    if (fd >= 0) {
        const char *name = NULL;
        if (is_foreign(fd, shim_fd))
            found.reason = "is built for another machine or word size than the shim";
        else if ((name = other_libc(fd, path, shim_fd)) != NULL)
            found = (struct obstacle){"has another C library than the shim: ", name, true};
        else if (elf_is_static(fd))
            found.reason = "is statically linked, and only the dynamic linker can preload";
        else if ((name = elf_sanitizer(fd)) != NULL)
            found = (struct obstacle){"brings its own malloc by ", name, true};
        close(fd);
    }
    if (shim_fd >= 0)
        close(shim_fd);
    if (!found.reason && gains_privileges(path))
        found.reason = "is set-user-ID, set-group-ID or has file capabilities, and the dynamic "
                       "linker then ignores preloaded paths";
    return found;
}

/* The sanitizer whose runtime the list of LD_PRELOAD holds; NULL when there is none. */
static const char *preloaded_sanitizer(const char *list)
{
    while (list && *list != '\0') {
        size_t length = strcspn(list, " :");
        const char *file = list;
        for (size_t i = 0; i < length; i++)
            if (list[i] == '/')
                file = list + i + 1;
        const char *name = elf_sanitizer_library(file);
        if (name)
            return name;
        list += length + (list[length] != '\0');
    }
    return NULL;
}

enum program_reach program_examine(const char *name, const char *path, const char *shim,
                                   const char *consequence)
{
    const char *preloaded = preloaded_sanitizer(getenv("LD_PRELOAD"));
    if (preloaded) {
        warnx("warning: LD_PRELOAD names the runtime of %s, which must come before the shim in "
              "'%s'; %s",
              preloaded, name, consequence);
        return PROGRAM_ENDANGERED;
    }
    char file[PATH_MAX], interpreter[PATH_MAX];
    strcpy(file, path);
    bool script = false;
    for (int depth = 0; depth < INTERPRETERS_MAX && read_interpreter(file, interpreter); depth++) {
        strcpy(file, interpreter);
        script = true;
    }
    struct obstacle found = find_obstacle(file, shim);
    if (found.reason && script)
        warnx("warning: '%s', the interpreter of '%s', %s%s; %s", file, name, found.reason,
              found.name, consequence);
    else if (found.reason)
        warnx("warning: '%s' %s%s; %s", name, found.reason, found.name, consequence);
    return !found.reason ? PROGRAM_REACHED : found.fatal ? PROGRAM_ENDANGERED : PROGRAM_NOT_REACHED;
}

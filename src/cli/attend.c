#include "cli/attend.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libgen.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "advise/need.h"
#include "base/compiler.h"
#include "base/printable.h"
#include "cli/cli.h"
#include "settings/table.h"

/* How often a folder is emptied in which somebody makes files meanwhile. */
#define REMOVALS 100

/* ---- signals --------------------------------------------------------------------------------- */

static volatile pid_t child;
static const char *number_file; /* NULL: the child is the program */

/* 0: not known yet. */
static pid_t number_of_program(void)
{
    char digits[16] = "";
    int file = open(number_file, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, digits, sizeof digits - 1) < 0)
        digits[0] = '\0';
    if (file >= 0)
        close(file);
    return (pid_t)strtol(digits, NULL, 10);
}

/* From a terminal the program gets it, too; an alarm that was set before is this process's alone,
 * and a pipe that broke is its own. A script between stops and goes on with the program. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    pid_t program = number_file ? number_of_program() : child;
    bool sent = (info->si_code <= 0 && info->si_pid != getpid()) || signal == SIGALRM;
    (void)context;
    if (sent && program > 0 && child > 0)
        kill(program, signal);
    if (sent && child > 0 && program != child &&
        (program == 0 || signal == SIGTSTP || signal == SIGCONT))
        kill(child, signal);
    errno = saved_errno;
}

/* Not what a fault or a background job of this process's own causes. */
static bool is_passed_on(int signal)
{
    static const int own[] = {SIGCHLD, SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                              SIGTRAP, SIGSYS,  SIGTTIN, SIGTTOU};
    for (size_t i = 0; i < COUNT(own); i++)
        if (signal == own[i])
            return false;
    return true;
}

/* Of those that are not ignored, which the program ignores, too. */
static void pass_signals_on(void)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        if (is_passed_on(signal) && sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signal, &action, NULL); /* refused for SIGKILL and SIGSTOP */
}

/* ---- a folder for the statistics ------------------------------------------------------------- */

static void set(enum setting_id id, const char *value)
{
    if (setenv(settings[id].variable, value, 1) != 0)
        err(EXIT_CANCELED, "cannot set %s", settings[id].variable);
}

/* The pattern of their names; a percent sign of the folder's is none of it. */
static void set_files(const char *folder)
{
    char *files = NULL;
    size_t size;
    FILE *out = need(open_memstream(&files, &size));
    fputs(STATS_ATTENDED, out);
    for (; *folder != '\0'; folder++)
        fputs(*folder == '%' ? "%%" : (char[]){*folder, '\0'}, out);
    if (fputs("/%u.json", out) < 0 || fclose(out) != 0)
        err(EXIT_CANCELED, "the statistics can have no names");
    set(SETTING_STATS_FILE, files);
    free(files);
}

/* A new folder for them. */
static char *ask_for_statistics(void)
{
    const char *place = getenv("TMPDIR");
    char *folder = need_text("%s/arenashim-XXXXXX", place && *place == '/' ? place : "/tmp");
    if (!mkdtemp(folder))
        err(EXIT_CANCELED, "no folder can be made for the statistics in '%s'", dirname(folder));
    set(SETTING_STATS, "json");
    set_files(folder);
    return folder;
}

/* ---- the program ----------------------------------------------------------------------------- */

static noreturn void be_child(char **program, const struct sigaction *children,
                              const sigset_t *mask)
{
    sigaction(SIGCHLD, children, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(program[0], program);
    warn("cannot run '%s'", program[0]);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE);
}

/* A shell sees this process stop where it would see the program stop; where somebody stops the
 * program by SIGSTOP, the same may let it go on without this process. */
static void await_end(const char *program, int *status)
{
    pid_t waited;
    do {
        waited = waitpid(child, status, WUNTRACED);
        if (waited < 0 && errno != EINTR)
            err(EXIT_CANCELED, "cannot wait for '%s'", program);
        if (waited == child && WIFSTOPPED(*status) && WSTOPSIG(*status) != SIGSTOP)
            raise(SIGSTOP);
    } while (waited < 0 || WIFSTOPPED(*status));
}

static void wait_for(char **program, struct attended *attended)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, children;
    sigset_t block, mask;
    pid_t waited;
    sigfillset(&block);
    sigprocmask(SIG_BLOCK, &block, &mask);
    bool alone = waitpid(-1, NULL, WNOHANG) < 0; /* no child that a shell had before its exec */
    prctl(PR_SET_CHILD_SUBREAPER, 1);            /* to see who outlives the program */
    sigaction(SIGCHLD, &usual, &children); /* where it is ignored, nobody is told of a status */
    child = fork();
    if (child < 0)
        err(EXIT_CANCELED, "cannot start '%s'", program[0]);
    if (child == 0)
        be_child(program, &children, &mask);
    pass_signals_on();
    sigprocmask(SIG_SETMASK, &mask, NULL);
    await_end(program[0], &attended->status);
    attended->program = number_file ? number_of_program() : child;
    child = 0;
    while ((waited = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    attended->outlived = waited == 0;
    if (alone && attended->outlived)
        warnx("'%s' has left processes behind, and the statistics lack them", program[0]);
}

static int is_file(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

void attend_prepare(struct attended *attended)
{
    attended->folder = ask_for_statistics();
}

void attend(char **program, struct attended *attended)
{
    struct dirent **entries;
    if (attended->by_script)
        number_file = need_text("%s/main", attended->folder);
    wait_for(program, attended);
    int count = scandir(attended->folder, &entries, is_file, alphasort);
    if (count < 0)
        err(EXIT_CANCELED, "'%s' cannot be read", attended->folder);
    attended->count = (size_t)count;
    attended->files = need(calloc(attended->count + 1, sizeof *attended->files));
    for (int i = 0; i < count; i++) {
        attended->files[i] = need_text("%s/%s", attended->folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static const char *base_of(const char *file)
{
    return strrchr(file, '/') + 1;
}

char **attended_files(const struct attended *attended, const char *pattern, size_t *count)
{
    char **files = need(calloc(attended->count + 1, sizeof *files));
    *count = 0;
    for (size_t i = 0; i < attended->count; i++)
        if (fnmatch(pattern, base_of(attended->files[i]), 0) == 0)
            files[(*count)++] = attended->files[i];
    return files;
}

/* Of this process's namespace: in others the same numbers are given again. */
bool attended_itself(const struct attended *attended)
{
    struct stat space = {0};
    size_t count;
    stat("/proc/self/ns/pid", &space);
    char *pattern = need_text("%d-*-%ju.json", (int)attended->program, (uintmax_t)space.st_ino);
    free(attended_files(attended, pattern, &count));
    free(pattern);
    return count > 0;
}

/* Whether the process is still at work, which is said of all such at once. */
static bool is_running(const struct attended *attended, pid_t process)
{
    return attended->outlived && (kill(process, 0) == 0 || errno == EPERM);
}

static bool is_watched(const struct attended *attended, pid_t process)
{
    char *file = need_text("%s/%d.xml", attended->folder, (int)process);
    bool is_there = access(file, F_OK) == 0;
    free(file);
    return is_there;
}

static char *first_line(const char *file)
{
    char *line = NULL;
    size_t size = 0;
    FILE *stream = fopen(file, "r");
    if (!stream || getline(&line, &size, stream) < 0) {
        free(line);
        line = need_text("?");
    }
    if (stream)
        fclose(stream);
    make_printable(line);
    return line;
}

char **attended_lost(const struct attended *attended)
{
    size_t count, kept = 0;
    char **files = attended_files(attended, "*" STATS_BEGUN, &count);
    for (size_t i = 0; i < count; i++) {
        pid_t process = (pid_t)strtol(base_of(files[i]), NULL, 10);
        if (process == attended->program || is_running(attended, process) ||
            (attended->by_script && !is_watched(attended, process)))
            continue;
        char *name = first_line(files[i]);
        files[kept++] = need_text("process %d (%s) has had scopes and left no statistics: it was "
                                  "ended by a signal, or by a system call of its own, or it may "
                                  "not write them",
                                  (int)process, name);
        free(name);
    }
    files[kept] = NULL;
    return files;
}

int attended_status(const struct attended *attended)
{
    int status = attended->status;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A process that is late may make a file meanwhile; one that finds the folder gone is silent. */
static void remove_folder(const char *folder)
{
    for (int i = 0; i < REMOVALS && rmdir(folder) != 0 && errno == ENOTEMPTY; i++) {
        DIR *files = opendir(folder);
        for (struct dirent *file; files && (file = readdir(files)) != NULL;)
            unlinkat(dirfd(files), file->d_name, 0);
        if (files)
            closedir(files);
    }
}

void attend_forget(struct attended *attended)
{
    for (size_t i = 0; i < attended->count; i++)
        free(attended->files[i]);
    free(attended->files);
    remove_folder(attended->folder);
    free(attended->folder);
}

void attend_exit(int status)
{
    if (WIFEXITED(status))
        exit(WEXITSTATUS(status));
    int number = WTERMSIG(status);
    struct rlimit none = {0, 0};
    sigset_t mask;
    setrlimit(RLIMIT_CORE, &none); /* the program has left its own */
    signal(number, SIG_DFL);
    sigemptyset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    raise(number);
    _exit(EXIT_CANCELED);
}

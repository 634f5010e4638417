#include "advise/trial.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "advise/children.h"
#include "advise/need.h"
#include "advise/streams.h"
#include "base/compiler.h"

/* Seconds that a program has to end when it was told to. */
#define PATIENCE 10

/* What each run inherits as it was when the command was started: the signals that are blocked, and
 * descriptors. Libraries open some without a thought of that. */
static sigset_t blocked_before;
static bool inherited[1024];

/* Signals that the command treats in a way of its own, and how each run is to treat them. */
static const int altered[] = {SIGCHLD, SIGXFSZ};
static struct sigaction unaltered[COUNT(altered)];

/* For the signal handler: what is to be ended and removed. */
static volatile pid_t group;
static const char *volatile scratch;

static const int endings[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
                              SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU};

/* A program in a run would have rights of another user if it were not traced. */
static bool is_untraced;

/* ---- the command's end ------------------------------------------------------------------------
 */

/* Installed to be reset: what is raised takes effect when this returns. */
static void end_all(int signal)
{
    if (group > 0)
        children_end(group);
    if (scratch)
        unlink(scratch);
    raise(signal);
}

static void catch_endings(void)
{
    struct sigaction before, end = {.sa_handler = end_all, .sa_flags = SA_RESETHAND};
    for (size_t i = 0; i < COUNT(endings); i++)
        if (sigaction(endings[i], &end, &before) == 0 && before.sa_handler == SIG_IGN)
            signal(endings[i], SIG_IGN);
}

void trial_scratch(const char *path)
{
    scratch = path;
}

void trial_start(void)
{
    int file;
    /* What is opened later is none of the three; writing to one that was closed still fails. */
    while ((file = open("/dev/null", O_RDONLY)) >= 0 && file <= STDERR_FILENO)
        continue;
    close(file);
    const struct sigaction own[COUNT(altered)] = {{.sa_handler = SIG_DFL}, {.sa_handler = SIG_IGN}};
    for (size_t i = 0; i < COUNT(altered); i++)
        sigaction(altered[i], &own[i], &unaltered[i]);
    catch_endings();
    children_start();
    for (file = STDERR_FILENO + 1; file < (int)COUNT(inherited); file++)
        inherited[file] = fcntl(file, F_GETFD) == 0;
    /* It is asked for by sigtimedwait alone. */
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &blocked_before);
    streams_start();
}

/* ---- the process ------------------------------------------------------------------------------
 */

static bool is_ours(const char *variable)
{
    return strncmp(variable, "ARENASHIM_", 10) == 0 || strncmp(variable, "LD_PRELOAD=", 11) == 0;
}

/* The variable; NULL: there is none. To be freed. */
static char *make_preload(const char *preload)
{
    const char *present = getenv("LD_PRELOAD");
    if (!preload && !present)
        return NULL;
    bool both = preload && present && *present != '\0';
    return need_text("LD_PRELOAD=%s%s%s", preload ? preload : "", both ? ":" : "",
                     present ? present : "");
}

/* To be freed. `preload`: as above. */
static char **make_environment(char *preload, char *const settings[])
{
    size_t count = 2;
    for (char **variable = environ; *variable; variable++)
        count++;
    for (char *const *setting = settings; *setting; setting++)
        count++;
    char **made = need(calloc(count, sizeof *made)), **to = made;
    if (preload)
        *to++ = preload;
    for (char **variable = environ; *variable; variable++)
        if (!is_ours(*variable))
            *to++ = *variable;
    for (char *const *setting = settings; *setting; setting++)
        *to++ = *setting;
    return made;
}

static void close_others_on_exec(void)
{
    DIR *all = opendir("/proc/self/fd");
    for (struct dirent *one; all && (one = readdir(all));)
        if (atoi(one->d_name) > STDERR_FILENO)
            fcntl(atoi(one->d_name), F_SETFD, FD_CLOEXEC);
    if (all)
        closedir(all);
    for (int file = 0; file < (int)COUNT(inherited); file++)
        if (inherited[file])
            fcntl(file, F_SETFD, 0);
}

/* Called in the child. Waits until the command has done what is to be done first. */
static noreturn void become(const struct wish *wish, char **environment, int channel)
{
    char go;
    close_others_on_exec();
    setsid();
    for (size_t i = 0; i < COUNT(altered); i++)
        sigaction(altered[i], &unaltered[i], NULL);
    if (read(channel, &go, 1) == 1 && streams_connect() &&
        sigprocmask(SIG_SETMASK, &blocked_before, NULL) == 0)
        execvpe(wish->path, wish->program, environment);
    int error = errno;
    (void)!write(channel, &error, sizeof error);
    _exit(ADVISE_FAILED);
}

/* Starts the run in a session of its own: it has no terminal to wait for. It is stopped when it has
 * executed something and before it ends, if the system allows that.
 * Returns the process; trial->error says why it could not be made to run the program. */
static pid_t launch(struct trial *trial, const struct wish *wish, char **environment,
                    int32_t *leader)
{
    int channel[2];
    sigset_t mask, blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < COUNT(endings); i++)
        sigaddset(&blocked, endings[i]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0)
        err(ADVISE_FAILED, "cannot start a process");
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    pid_t child = fork();
    if (child < 0)
        err(ADVISE_FAILED, "cannot start a process");
    if (child == 0)
        become(wish, environment, channel[1]);
    if (leader)
        *leader = child;
    group = child;
    close(channel[1]);
    if (!is_untraced)
        ptrace(PTRACE_SEIZE, child, NULL,
               (void *)(PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL));
    if (write(channel[0], "", 1) == 1 && read(channel[0], &trial->error, sizeof(int)) == 0)
        trial->started = true;
    close(channel[0]);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return child;
}

/* ---- until it ends ----------------------------------------------------------------------------
 */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_memory(struct trial *trial, pid_t process)
{
    char name[32], line[256];
    snprintf(name, sizeof name, "/proc/%d/status", (int)process);
    FILE *file = fopen(name, "re");
    size_t kib;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %zu", &kib) == 1)
            trial->peak = kib * 1024;
        if (sscanf(line, "VmRSS: %zu", &kib) == 1)
            trial->at_end = kib * 1024;
    }
    if (file)
        fclose(file);
}

/* Whether the thread that is about to end has asked for that alone: others are still there, or were
 * the last that ran. */
static bool is_thread_exit(pid_t process)
{
    char name[32];
    long number = 0;
    snprintf(name, sizeof name, "/proc/%d/syscall", (int)process);
    FILE *file = fopen(name, "re");
    bool is_known = file && fscanf(file, "%ld", &number) == 1;
    if (file)
        fclose(file);
    return is_known && number == SYS_exit;
}

/* Whether what was executed has rights that it is given by a file, but not while it is traced. */
static bool has_file_rights(pid_t process)
{
    char name[32];
    struct stat status;
    snprintf(name, sizeof name, "/proc/%d/exe", (int)process);
    return geteuid() != 0 &&
           (stat(name, &status) != 0 || (status.st_mode & (S_ISUID | S_ISGID)) != 0 ||
            getxattr(name, "security.capability", NULL, 0) > 0);
}

/* The program is stopped, and goes on as if nobody had stopped it. */
static void pass_on(struct trial *trial, pid_t process)
{
    int event = trial->status >> 16, signal = WSTOPSIG(trial->status);
    if (event == PTRACE_EVENT_EXIT && !trial->ended_by_us) {
        read_memory(trial, process);
        if (is_thread_exit(process))
            trial->at_end = 0;
    }
    if (event == PTRACE_EVENT_EXEC && has_file_rights(process)) {
        is_untraced = true;
        kill(process, SIGKILL);
    }
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP)
        ptrace(PTRACE_LISTEN, process, NULL, NULL); /* job control stopped it */
    else
        ptrace(PTRACE_CONT, process, NULL, (void *)(intptr_t)(event == 0 ? signal : 0));
}

/* Its time is over: it is told so, and the next time it is made to end. */
static void end_run(struct trial *trial, const struct wish *wish, pid_t process)
{
    if (!trial->ended_by_us)
        read_memory(trial, process);
    kill(-process, trial->ended_by_us ? SIGKILL : wish->signal);
    trial->ended_by_us = true;
}

static void wait_for(struct trial *trial, const struct wish *wish, pid_t process,
                     struct rusage *usage)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    double deadline = now() + wish->duration;
    for (;;) {
        pid_t got = wait4(process, &trial->status, WNOHANG | __WALL, usage);
        if (got < 0)
            err(ADVISE_FAILED, "cannot wait for a process");
        if (got == process && !WIFSTOPPED(trial->status))
            return;
        if (got == process) {
            pass_on(trial, process);
            continue;
        }
        double left = wish->duration > 0 ? deadline - now() : 1000;
        if (left <= 0) {
            end_run(trial, wish, process);
            deadline += PATIENCE;
            continue;
        }
        struct timespec time = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        sigtimedwait(&child, NULL, &time);
    }
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* The kernel's maximum is over children, too, and over this command's own memory, which the program
 * had before it was executed. */
static void note_usage(struct trial *trial, const struct rusage *usage)
{
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    if (trial->peak == 0 ||
        (usage->ru_maxrss > own.ru_maxrss && (size_t)usage->ru_maxrss * 1024 > trial->peak))
        trial->peak = (size_t)usage->ru_maxrss * 1024;
    trial->cpu = seconds(usage->ru_utime) + seconds(usage->ru_stime);
    trial->faults = (uint64_t)(usage->ru_minflt + usage->ru_majflt);
}

static void run_once(struct trial *trial, const struct wish *wish, char **environment,
                     int32_t *leader)
{
    *trial = (struct trial){.started = false};
    streams_renew();
    double begun = now();
    struct rusage usage;
    pid_t process = launch(trial, wish, environment, leader);
    wait_for(trial, wish, process, &usage);
    trial->wall = now() - begun;
    children_end(process);
    group = 0;
    note_usage(trial, &usage);
}

void trial_run(struct trial *trial, const struct wish *wish, const char *preload,
               char *const settings[], int32_t *leader)
{
    char *preloaded = make_preload(preload);
    char **environment = make_environment(preloaded, settings);
    bool was_untraced = is_untraced;
    run_once(trial, wish, environment, leader);
    if (is_untraced && !was_untraced)
        run_once(trial, wish, environment, leader);
    free(environment);
    free(preloaded);
    if (!trial->started)
        return;
    /* It is of the wrong process when a child is meant. */
    if (wish->child)
        trial->at_end = 0;
    trial->differs = streams_differ();
}

/* ---- how it ended -----------------------------------------------------------------------------
 */

bool trial_succeeded(const struct trial *trial)
{
    return trial->ended_by_us || trial->status == 0;
}

bool trial_ends_alike(const struct trial *one, const struct trial *other)
{
    return one->status == other->status || (one->ended_by_us != other->ended_by_us &&
                                            trial_succeeded(one) && trial_succeeded(other));
}

char *trial_tell(const struct trial *trial)
{
    char *line = streams_last_line(), *told;
    const char *colon = *line != '\0' ? ": " : "";
    if (WIFSIGNALED(trial->status))
        told = need_text("is ended by signal %d (%s)%s%s", WTERMSIG(trial->status),
                         strsignal(WTERMSIG(trial->status)), colon, line);
    else
        told = need_text("exits with status %d%s%s", WEXITSTATUS(trial->status), colon, line);
    free(line);
    return told;
}

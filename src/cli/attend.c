#include "cli/attend.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cli/cli.h"
#include "settings/table.h"

static volatile pid_t child;

/* From a terminal the program gets it, too; an alarm that was set before is this process's alone.
 */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if ((info->si_code <= 0 || signal == SIGALRM) && child > 0)
        kill(child, signal);
}

static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2};

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
    FILE *out = open_memstream(&files, &size);
    for (; out && *folder != '\0'; folder++)
        fputs(*folder == '%' ? "%%" : (char[]){*folder, '\0'}, out);
    if (!out || fputs("/%p.json", out) < 0 || fclose(out) != 0)
        err(EXIT_CANCELED, "the statistics can have no names");
    set(SETTING_STATS_FILE, files);
    free(files);
}

/* A new folder for them. */
static char *ask_for_statistics(void)
{
    const char *place = getenv("TMPDIR");
    char *folder;
    if (asprintf(&folder, "%s/arenashim-XXXXXX", place && *place == '/' ? place : "/tmp") < 0 ||
        !mkdtemp(folder))
        err(EXIT_CANCELED, "no folder can be made for the statistics");
    set(SETTING_STATS, "json");
    set_files(folder);
    return folder;
}

static noreturn void be_child(char **program, const struct sigaction *children,
                              const sigset_t *mask)
{
    sigaction(SIGCHLD, children, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(program[0], program);
    warn("cannot run '%s'", program[0]);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_INVOKE);
}

static void wait_for(char **program, struct attended *attended)
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
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
    for (size_t i = 0; i < COUNT(ending); i++)
        if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(ending[i], &action, NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    while ((waited = waitpid(child, &attended->status, 0)) < 0 && errno == EINTR)
        ;
    if (waited < 0)
        err(EXIT_CANCELED, "cannot wait for '%s'", program[0]);
    attended->program = child;
    child = 0;
    while ((waited = waitpid(-1, NULL, WNOHANG)) > 0)
        ;
    attended->outlived = waited == 0;
    if (alone && attended->outlived)
        warnx("'%s' has left processes behind; the statistics lack them, and are to come to '%s'",
              program[0], attended->folder);
}

static int is_file(const struct dirent *entry)
{
    return *entry->d_name != '.';
}

void attend_prepare(struct attended *attended)
{
    attended->folder = ask_for_statistics();
}

void attend(char **program, struct attended *attended)
{
    const char *folder = attended->folder;
    struct dirent **entries;
    wait_for(program, attended);
    int count = scandir(folder, &entries, is_file, alphasort);
    if (count < 0)
        err(EXIT_CANCELED, "'%s' cannot be read", folder);
    attended->count = (size_t)count;
    attended->files = calloc(attended->count + 1, sizeof *attended->files);
    for (int i = 0; attended->files && i < count; i++) {
        if (asprintf(&attended->files[i], "%s/%s", folder, entries[i]->d_name) < 0)
            err(EXIT_CANCELED, "'%s' cannot be read", folder);
        free(entries[i]);
    }
    free(entries);
}

bool attended_itself(const struct attended *attended)
{
    char *name;
    if (asprintf(&name, "%s/%d.json", attended->folder, (int)attended->program) < 0)
        err(EXIT_CANCELED, "'%s' cannot be read", attended->folder);
    bool is_there = access(name, R_OK) == 0;
    free(name);
    return is_there;
}

int attended_status(const struct attended *attended)
{
    int status = attended->status;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void attend_forget(struct attended *attended)
{
    for (size_t i = 0; i < attended->count; i++) {
        unlink(attended->files[i]);
        free(attended->files[i]);
    }
    if (!attended->outlived)
        rmdir(attended->folder);
    free(attended->files);
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

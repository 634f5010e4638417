/*
 * budget SCOPES [CASE]...: that many scopes, in each of which one block is freed and one is not; a
 * number among the cases is the bytes of both. Then what the cases say.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arenashim/scope.h>

static const arena_scope_site open_site = {"open", __FILE__, __LINE__, 0};
static void *volatile block;

static void query(size_t bytes)
{
    ARENA_SCOPE("query") {
        block = malloc(bytes);
        free(block);
        block = malloc(bytes);
    }
}

static void other(void)
{
    ARENA_SCOPE("other")
        free(malloc(10));
}

/* ---- ends --------------------------------------------------------------------------------------
 */

static void in_handler(int number)
{
    _exit(number != SIGUSR1);
}

/* On a stack as small as they are. */
static void handler(int status)
{
    static char memory[8192];
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    struct sigaction action = {.sa_handler = in_handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1 + status);
}

static void system_call(int status)
{
    syscall(SYS_exit_group, status);
}

static const struct {
    const char *name;
    void (*leave)(int status);
} ways[] = {
    {"_exit", _exit},
    {"_Exit", _Exit},
    {"quick_exit", quick_exit},
    {"handler", handler},
    {"system_call", system_call},
};

/* A child's, after a query. */
static void be_child(const char *what)
{
    static char *const truth[] = {"true", NULL};
    if (strcmp(what, "killed") == 0)
        raise(SIGKILL);
    if (strcmp(what, "setuid") == 0 && setuid(65534) == 0)
        close(STDERR_FILENO); /* nobody reads what is said there */
    if (strcmp(what, "system_call") == 0)
        system_call(0);
    unsetenv("LD_PRELOAD"); /* the shim does not follow */
    if (strcmp(what, "becomes") == 0)
        execvp(truth[0], truth);
    if (strcmp(what, "becomes_by_list") == 0)
        execlp("sh", "sh", "-c", "exit $((2 - $#))", "sh", "a", "b", NULL);
    if (strcmp(what, "fails_to_become") == 0)
        execv("/nonexistent", truth);
    exit(0);
}

/* Ends when the command has ended, too. */
static void be_late(void)
{
    sleep(1);
    query(10);
    FILE *file = fopen("late", "w");
    if (file)
        fputs("late", file);
    exit(!file || dup2(fileno(file), STDERR_FILENO) < 0);
}

int main(int argc, char **argv)
{
    int status = 0;
    size_t bytes = 50;
    for (int i = 2; i < argc; i++)
        if (atoi(argv[i]) > 10)
            bytes = (size_t)atoi(argv[i]);
    for (int i = atoi(argv[1]); i > 0; i--)
        query(bytes);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "other") == 0)
            other();
        if (strcmp(argv[i], "fork") == 0 && fork() == 0) {
            query(bytes);
            exit(0);
        }
        if (strcmp(argv[i], "child") == 0 && fork() == 0) {
            query(bytes);
            be_child(argv[i + 1]);
        }
        if (strcmp(argv[i], "vfork") == 0 && vfork() == 0)
            _exit(0);
        if (strcmp(argv[i], "late") == 0) {
            if (fork() == 0)
                be_late();
            return 0;
        }
        if (strcmp(argv[i], "left_open") == 0)
            arena_scope_begin(&open_site);
        if (strcmp(argv[i], "status") == 0)
            status = atoi(argv[i + 1]);
        if (strcmp(argv[i], "kill") == 0)
            raise(SIGKILL);
        for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++)
            if (strcmp(argv[i], ways[k].name) == 0) {
                wait(NULL);
                ways[k].leave(0);
            }
    }
    while (wait(NULL) > 0)
        ;
    puts("done");
    return status;
}

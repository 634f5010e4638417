/*
 * budget SCOPES [CASE]...: that many scopes, in each of which one block is freed and one is not; a
 * number among the cases is the bytes of both. Then what the cases say.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
        if (strcmp(argv[i], "late") == 0) {
            if (fork() == 0) {
                sleep(1);
                _exit(0);
            }
            return 0;
        }
        if (strcmp(argv[i], "left_open") == 0)
            arena_scope_begin(&open_site);
        if (strcmp(argv[i], "status") == 0)
            status = atoi(argv[i + 1]);
        if (strcmp(argv[i], "kill") == 0)
            raise(SIGKILL);
        if (strcmp(argv[i], "_exit") == 0)
            _exit((int)(wait(NULL) < 0));
    }
    while (wait(NULL) > 0)
        ;
    puts("done");
    return status;
}

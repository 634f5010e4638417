#include "advise/children.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

/* Children that the command had when it was executed. */
static pid_t others[64];
static size_t other_count;

/* Children of the command, as far as the system tells. */
static size_t list_children(pid_t *children, size_t most)
{
    char text[4096], *at = text, *end;
    int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(file, text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    close(file);
    size_t count = 0;
    for (; count < most; count++, at = end + 1) {
        children[count] = (pid_t)strtol(at, &end, 10);
        if (*end != ' ') /* the list is over, or cut in a number */
            break;
    }
    return count;
}

static bool is_other(pid_t child)
{
    for (size_t i = 0; i < other_count; i++)
        if (others[i] == child)
            return true;
    return false;
}

/* False when there is none. */
static bool kill_children(void)
{
    pid_t children[256];
    size_t count = list_children(children, COUNT(children));
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= !is_other(children[i]) && kill(children[i], SIGKILL) == 0;
    return any;
}

void children_start(void)
{
    other_count = list_children(others, COUNT(others));
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void children_end(pid_t group)
{
    pid_t ended;
    int status;
    kill(-group, SIGKILL);
    while (kill_children() && (ended = waitpid(-1, &status, __WALL)) > 0)
        if (WIFSTOPPED(status)) /* traced, and about to end */
            ptrace(PTRACE_CONT, ended, NULL, NULL);
}

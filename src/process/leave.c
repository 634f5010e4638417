/*
 * Functions of the C library by which programs end or become others, past exit(3): the first write
 * the statistics, and the command that waits for them is told of the second, which write none.
 *
 * All may be called in signal handlers, by children of multi-threaded processes, and by children of
 * vfork(2), whose memory is their parent's: nothing here allocates, locks, or looks up a symbol
 * once start is over. What the C library calls within itself does not come here.
 */
#include "process/leave.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <unistd.h>

#include "memory/wiped.h"
#include "next/fixed.h"
#include "next/symbol.h"
#include "report/report.h"

#define EXPORT __attribute__((visibility("default")))

/* Looked up where a constructor calls it before start. */
#define NEXT(name)                                                                                 \
    (fixed.leave.name ? fixed.leave.name : (__typeof__(fixed.leave.name))next_symbol(#name))

EXPORT noreturn void _exit(int status)
{
    report_at_exit(true);
    NEXT(_exit)(status);
    __builtin_unreachable();
}

EXPORT noreturn void _Exit(int status)
{
    _exit(status);
}

static void at_quick_exit_report(void)
{
    report_at_exit(true);
}

void leave_start(void)
{
    at_quick_exit(at_quick_exit_report);
}

/* ---- becoming another program ---------------------------------------------------------------- */

/* Whether statistics of the program that is here now were expected: they are not, unless the call
 * fails. */
static bool go(void)
{
    bool expected = wiped.expected;
    report_expect(false);
    return expected;
}

static int stay(bool expected, int result)
{
    if (expected)
        report_expect(true);
    return result;
}

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
    bool expected = go();
    return stay(expected, NEXT(execve)(path, argv, envp));
}

EXPORT int execv(const char *path, char *const argv[])
{
    bool expected = go();
    return stay(expected, NEXT(execv)(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
    bool expected = go();
    return stay(expected, NEXT(execvp)(file, argv));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
    bool expected = go();
    return stay(expected, NEXT(execvpe)(file, argv, envp));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
    bool expected = go();
    return stay(expected, NEXT(fexecve)(fd, argv, envp));
}

/* Declares `argv` with `first` and what follows it up to a NULL, behind which `list` is left. */
#define COLLECT(argv, list, first)                                                                 \
    va_list list;                                                                                  \
    size_t count = 1;                                                                              \
    va_start(list, first);                                                                         \
    while (va_arg(list, char *))                                                                   \
        count++;                                                                                   \
    va_end(list);                                                                                  \
    char *argv[count + 1];                                                                         \
    argv[0] = (char *)first;                                                                       \
    va_start(list, first);                                                                         \
    for (size_t i = 1; i <= count; i++)                                                            \
    argv[i] = va_arg(list, char *)

EXPORT int execl(const char *path, const char *first, ...)
{
    COLLECT(argv, list, first);
    va_end(list);
    return execv(path, argv);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
    COLLECT(argv, list, first);
    va_end(list);
    return execvp(file, argv);
}

EXPORT int execle(const char *path, const char *first, ...)
{
    COLLECT(argv, list, first);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, envp);
}

/*
 * Measures a whole process of an unmodified program, from its start to its end: time, CPU time of
 * user and system, page faults, peak resident memory.
 *
 * usage: process [--name CASE] [--size SIZE] [--threads N] [--preload LIBRARY]
 *                [--] PROGRAM [ARGUMENT...] [--verify]
 *
 * --name, --size  of the samples
 * --threads       as many as the program has; with one it stays on one CPU
 * --preload       what is preloaded onto the program. This process has no preload, and is small:
 *                 what a parent has in memory when it starts a program counts in its peak
 * --verify        last: measure nothing; find the library among what the dynamic linker loads for
 *                 the program, and compare the output with that without a preload
 *
 * PROGRAM is a file's name, with its directory. Status 1 when it fails.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sample.h"

/* Runs a program with its output in a new file without a name, which is returned. */
static int run(char *const *command, struct rusage *usage)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    int output = memfd_create("output", MFD_CLOEXEC);
    if (output < 0)
        err(1, "memfd_create");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    errno = posix_spawn(&child, command[0], &actions, NULL, command, environ);
    if (errno != 0)
        err(1, "%s", command[0]);
    if (wait4(child, &status, 0, usage) < 0)
        err(1, "wait4");
    if (WIFSIGNALED(status))
        errx(1, "%s: %s", command[0], strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        errx(1, "%s: status %d", command[0], WEXITSTATUS(status));
    posix_spawn_file_actions_destroy(&actions);
    return output;
}

static double nanoseconds(struct timeval time)
{
    return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

static void measure(char *const *command, const char *name, const char *size, int threads)
{
    struct rusage usage;
    double start = sample_now();
    close(run(command, &usage));
    double end = sample_now();
    sample_print(name, size, threads, "ns", end - start);
    /* The parts may be off by a tick of the clock; the kernel makes their sum exact. */
    sample_print(name, size, threads, "cpu_ns",
                 nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime));
    sample_print(name, size, threads, "faults", (double)usage.ru_minflt);
    sample_print(name, size, threads, "peak_kb", (double)usage.ru_maxrss);
}

/* The whole contents of a file, with a 0 behind it. */
static char *contents(int file, size_t *length)
{
    off_t size = lseek(file, 0, SEEK_END);
    if (size < 0 || ftruncate(file, size + 1) != 0)
        err(1, "output");
    char *text = mmap(NULL, (size_t)size + 1, PROT_READ, MAP_PRIVATE, file, 0);
    if (text == MAP_FAILED)
        err(1, "output");
    close(file);
    *length = (size_t)size;
    return text;
}

/* Whether the dynamic linker, asked as ldd does, loads it: a preload that is not found must not be
 * taken for the allocator that it names. */
static bool is_loaded(char *const *command, const char *library)
{
    struct rusage usage;
    size_t length;
    const char *base = strrchr(library, '/');
    setenv("LD_TRACE_LOADED_OBJECTS", "1", 1);
    char *list = contents(run(command, &usage), &length);
    unsetenv("LD_TRACE_LOADED_OBJECTS");
    bool found = strstr(list, base ? base + 1 : library) != NULL;
    munmap(list, length + 1);
    return found;
}

static void verify(char *const *command, const char *library)
{
    struct rusage usage;
    size_t length, plain_length;
    if (library && !is_loaded(command, library))
        errx(1, "%s is not in a process of %s", library, command[0]);
    const char *text = contents(run(command, &usage), &length);
    unsetenv("LD_PRELOAD");
    const char *plain = contents(run(command, &usage), &plain_length);
    if (length != plain_length || memcmp(text, plain, length) != 0)
        errx(1, "%s prints something else than without a preload", command[0]);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"size", required_argument, NULL, 's'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"preload", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    const char *name = "process", *size = "-", *library = NULL;
    int threads = 1;
    bool is_check = strcmp(argv[argc - 1], "--verify") == 0;
    if (is_check)
        argv[--argc] = NULL;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == 'n')
            name = optarg;
        else if (option == 's')
            size = optarg;
        else if (option == 't')
            threads = atoi(optarg);
        else if (option == 'p')
            library = optarg;
        else
            return 2; /* getopt_long has said why */
    }
    char *const *command = argv + optind;
    if (!*command || threads < 1)
        errx(2, "usage: process [--name CASE] [--size SIZE] [--threads N] [--preload LIBRARY] "
                "[--] PROGRAM [ARGUMENT...] [--verify]");
    if (threads == 1)
        sample_pin(sample_cores() - 1); /* the child, too; the first takes most interrupts */
    if (library)
        setenv("LD_PRELOAD", library, 1);
    if (is_check)
        verify(command, library);
    else
        measure(command, name, size, threads);
    return 0;
}

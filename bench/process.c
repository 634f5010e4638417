/*
 * Times recall as a whole process, from its start to its end: 1,000 queries over WordNet, which is
 * read first, or over the synthetic graph where WordNet is not installed.
 *
 * usage: process RECALL [--quick] [--expect LIBRARY] [--verify]
 *
 * RECALL is the program's file. A run makes one process; --quick is accepted for uniformity. With
 * --verify what it prints is compared with what it prints without any preload, and nothing is
 * measured.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
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
#include "examples/recall/wordnet.h"

#define WORDNET "/usr/share/wordnet"

/* Runs recall with its output in a new file without a name, which is returned. */
static int run(const char *program, struct rusage *usage)
{
    static char name[] = "recall", queries[] = "--queries=1000";
    char *const arguments[] = {name, queries, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status;
    int output = memfd_create("output", MFD_CLOEXEC);
    if (output < 0)
        err(1, "memfd_create");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    errno = posix_spawn(&child, program, &actions, NULL, arguments, environ);
    if (errno != 0)
        err(1, "%s", program);
    if (wait4(child, &status, 0, usage) < 0 || status != 0)
        errx(1, "%s failed", program);
    posix_spawn_file_actions_destroy(&actions);
    return output;
}

static void measure(const char *program)
{
    const char *size = wordnet_exists(WORDNET) ? "wordnet" : "synthetic";
    struct rusage usage;
    double start = sample_now();
    close(run(program, &usage));
    double end = sample_now();
    sample_print("recall_process", size, 1, "ns", end - start);
    sample_print("recall_process", size, 1, "faults", (double)usage.ru_minflt);
    sample_print("recall_process", size, 1, "peak_kb", (double)usage.ru_maxrss);
}

/* The whole contents of a file, with a 0 behind it. */
static char *contents(int file)
{
    off_t size = lseek(file, 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    if (!text || pread(file, text, (size_t)size, 0) != size)
        err(1, "output");
    close(file);
    return text;
}

static bool verify(const char *program)
{
    struct rusage usage;
    char *text = contents(run(program, &usage));
    unsetenv("LD_PRELOAD");
    char *plain = contents(run(program, &usage));
    bool is_same = *plain && strcmp(text, plain) == 0;
    if (!is_same)
        warnx("recall prints something else than without a preload");
    free(text);
    free(plain);
    return is_same;
}

int main(int argc, char **argv)
{
    bool is_check = false;
    int i = 2;
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--verify") == 0)
            is_check = true;
        else if (strcmp(argv[i], "--expect") == 0 && i + 1 < argc)
            sample_expect(argv[++i]);
        else if (strcmp(argv[i], "--quick") != 0)
            break;
    }
    if (argc < 2 || i < argc)
        errx(2, "usage: process RECALL [--quick] [--expect LIBRARY] [--verify]");
    sample_pin(sample_cores() - 1); /* the child, too; the first takes most interrupts */
    if (is_check)
        return verify(argv[1]) ? 0 : 1;
    measure(argv[1]);
    return 0;
}

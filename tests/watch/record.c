/*
 * Makes a record for a watched program, as `arenashim advise` does, and prints one as plain lines:
 *
 *     record make FILE count|sample|prove EVERY PROGRAM [MODULE OFFSET]...
 *     record print FILE
 *
 * Printed are `NAME VALUE` for each number, then
 *
 *     module NUMBER PATH
 *     function NUMBER NAME VALUE       each number of a function that was named
 *     stack CALLS BYTES STACK          what was drawn with it
 *     life END BOUND CALLS BYTES STACK what became of it
 *
 * A STACK is the functions from the outermost on, each MODULE+0xOFFSET of its start, separated by
 * semicolons; BOUND is one of them, "-" for none, or for END 3 the number of a function.
 */
#include "watch/record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct record *map(const char *name, int flags)
{
    int file = open(name, O_RDWR | O_CLOEXEC | flags, 0600);
    if (file < 0)
        fail(name);
    int error = posix_fallocate(file, 0, sizeof(struct record));
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", name, strerror(error));
        exit(1);
    }
    struct record *record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (record == MAP_FAILED)
        fail(name);
    close(file);
    return record;
}

static int make(int count, char **arguments)
{
    static const char *const modes[] = {"count", "sample", "prove"};
    struct record *record = map(arguments[0], O_CREAT | O_TRUNC);
    while (record->mode < 3 && strcmp(modes[record->mode], arguments[1]) != 0)
        record->mode++;
    record->every = strtoull(arguments[2], NULL, 10);
    snprintf(record->program, sizeof record->program, "%s", arguments[3]);
    for (int i = 4; i + 1 < count; i += 2) {
        struct record_function *function = &record->functions[record->functions_named++];
        snprintf(function->module, sizeof function->module, "%s", arguments[i]);
        function->offset = strtoull(arguments[i + 1], NULL, 0);
    }
    record->modules_used = record->frames_used = record->lives_used = 1;
    record->size = sizeof *record;
    record->magic = RECORD_MAGIC;
    return 0;
}

#define PRINT(of, name) printf(#name " %" PRIu64 "\n", (uint64_t)(of)->name)

static void print_counters(const struct record *record)
{
    struct record_thread sum = {0};
    for (int i = 0; i < RECORD_THREADS; i++) {
        const uint64_t *from = (const void *)&record->threads[i];
        for (size_t j = 0; j < sizeof sum / sizeof *from; j++)
            ((uint64_t *)&sum)[j] += from[j];
    }
    PRINT(&sum, calls);
    PRINT(&sum, bytes);
    PRINT(&sum, frees);
    PRINT(&sum, resizes);
    PRINT(&sum, nanoseconds);
    PRINT(&sum, sampled);
    PRINT(&sum, sampling);
    PRINT(&sum, threads);
    PRINT(record, every);
    PRINT(record, processes);
    PRINT(record, not_watched);
    PRINT(record, clock_overhead);
    PRINT(record, dropped);
    PRINT(record, too_deep);
    PRINT(record, cut);
    PRINT(record, cut_module);
    PRINT(record, busy);
    PRINT(record, modules_used);
    PRINT(record, frames_used);
    PRINT(record, lives_used);
}

static void print_functions(const struct record *record)
{
    static const char *const names[] = {
        "activations", "nested",        "threads",    "calls",      "bytes",
        "inside",      "inside_bytes",  "resizes",    "foreign",    "surviving",
        "left",        "freed_outside", "most_bytes", "most_calls",
    };
    for (uint32_t i = 0; i < record->functions_named; i++) {
        const struct record_tally tally = record_tally(record, i);
        const uint64_t *values = &tally.activations;
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            printf("function %" PRIu32 " %s %" PRIu64 "\n", i, names[j], values[j]);
    }
}

static void print_frame(const struct record *record, uint32_t number)
{
    const struct record_frame *frame = &record->frames[number];
    const char *path = record->modules[frame->module].path, *slash = strrchr(path, '/');
    printf("%s+0x%" PRIx64, slash ? slash + 1 : path, frame->function);
}

static void print_stack(const struct record *record, uint32_t leaf)
{
    uint32_t parent = record->frames[leaf].parent;
    if (parent != 0) {
        print_stack(record, parent);
        putchar(';');
    }
    print_frame(record, leaf);
}

static int print(const char *name)
{
    const struct record *record = map(name, 0);
    print_counters(record);
    for (uint32_t i = 1; i < record->modules_used; i++)
        printf("module %" PRIu32 " %s\n", i, record->modules[i].path);
    print_functions(record);
    for (uint32_t i = 1; i < record->frames_used; i++) {
        const struct record_frame *frame = &record->frames[i];
        if (frame->calls == 0)
            continue;
        printf("stack %" PRIu64 " %" PRIu64 " ", frame->calls, frame->bytes);
        print_stack(record, i);
        putchar('\n');
    }
    for (uint32_t i = 1; i < record->lives_used; i++) {
        const struct record_life *life = &record->lives[i];
        printf("life %" PRIu32 " ", life->end);
        if (life->end == LIFE_SURVIVED)
            printf("%" PRIu32, life->bound);
        else if (life->bound == 0)
            putchar('-');
        else
            print_frame(record, life->bound);
        printf(" %" PRIu64 " %" PRIu64 " ", life->calls, life->bytes);
        print_stack(record, life->leaf);
        putchar('\n');
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "make") == 0)
        return make(argc - 2, argv + 2);
    if (argc == 3 && strcmp(argv[1], "print") == 0)
        return print(argv[2]);
    fputs("usage: record make FILE count|sample|prove EVERY PROGRAM [MODULE OFFSET]...\n"
          "       record print FILE\n",
          stderr);
    return 2;
}

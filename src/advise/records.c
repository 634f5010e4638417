#include "advise/records.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "advise/need.h"
#include "advise/trial.h"
#include "base/compiler.h"

static char *path;

/* A file of the record's size, whose blocks are there: a process that finds none for a page that it
 * writes to is killed. -1 with errno. */
static int make_file(const char *directory)
{
    if (!directory || *directory == '\0')
        return -1;
    path = need_text("%s/arenashim-record-XXXXXX", directory);
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return -1;
    trial_scratch(path);
    errno = posix_fallocate(file, 0, sizeof(struct record));
    if (errno == 0)
        return file;
    int saved_errno = errno;
    records_remove();
    close(file);
    errno = saved_errno;
    return -1;
}

struct record *records_make(enum watch_mode mode, uint64_t every, const char *program,
                            char **setting)
{
    const char *directories[] = {"/dev/shm", getenv("TMPDIR"), "/tmp"};
    int file = -1;
    for (size_t i = 0; i < COUNT(directories) && file < 0; i++)
        file = make_file(directories[i]);
    struct record *record = MAP_FAILED;
    if (file >= 0)
        record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (record == MAP_FAILED) {
        int saved_errno = errno;
        records_remove();
        errno = saved_errno;
        err(ADVISE_FAILED, "cannot make a file of %zu bytes in /dev/shm, TMPDIR or /tmp",
            sizeof *record);
    }
    close(file);
    *setting = need_text("ARENASHIM_WATCH=%s", path);
    record->size = sizeof *record;
    record->every = every;
    record->mode = mode;
    record->modules_used = record->frames_used = record->lives_used = 1;
    strncpy(record->program, program, sizeof record->program - 1);
    record->magic = RECORD_MAGIC;
    return record;
}

void records_remove(void)
{
    if (path)
        unlink(path);
    trial_scratch(NULL);
    free(path);
    path = NULL;
}

struct record_thread records_sum(const struct record *record)
{
    struct record_thread sum = {.calls = 0};
    for (const struct record_thread *thread = record->threads;
         thread < record->threads + RECORD_THREADS; thread++) {
        sum.calls += thread->calls;
        sum.bytes += thread->bytes;
        sum.frees += thread->frees;
        sum.resizes += thread->resizes;
        sum.nanoseconds += thread->nanoseconds;
        sum.sampled += thread->sampled;
        sum.sampling += thread->sampling;
        sum.threads += thread->threads;
    }
    return sum;
}

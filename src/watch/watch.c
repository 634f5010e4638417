/*
 * The part of arenashim that watches a program for `arenashim advise`: start, and forks.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "next/watch_host.h"
#include "watch/activation.h"
#include "watch/calls.h"
#include "watch/heap.h"
#include "watch/prove.h"
#include "watch/sample.h"
#include "watch/state.h"
#include "watch/wrapped.h"

#define EXPORT __attribute__((visibility("default")))

/* One line, for what the command does not learn otherwise. */
static void say(const char *record, const char *reason)
{
    struct text line;
    text_message(&line);
    text_str(&line, "the process is not watched: ");
    text_name(&line, record);
    text_str(&line, reason);
    text_end(&line);
}

/* The record, mapped; NULL with one line when it is none. */
static struct record *map_record(const char *name)
{
    int file = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    void *mapped = MAP_FAILED;
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size == sizeof(struct record))
        mapped = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0)
        close(file);
    struct record *record = mapped;
    if (mapped != MAP_FAILED && record->magic == RECORD_MAGIC && record->size == sizeof *record &&
        record->every > 0 && record->every <= UINT32_MAX / 2)
        return record;
    if (mapped != MAP_FAILED)
        munmap(mapped, sizeof *record);
    /* A process that outlives the command finds the file no more. */
    if (file >= 0)
        say(name, " is no record of this version's arenashim advise");
    else if (errno == EACCES)
        say(name, " is not to be opened by its user");
    return NULL;
}

static bool ends_in(const char *path, const struct record *record)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, record->program, sizeof record->program - 1) == 0;
}

/* Whether the record is for this process, or for an executable that is called so, by its own name
 * or by that of a link or a script, under which it was executed. */
static bool is_meant(const struct record *record)
{
    if (record->program[0] == '\0')
        return record->leader == getpid();
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    const char *executed = (const char *)getauxval(AT_EXECFN);
    return ends_in(path, record) || (executed && ends_in(executed, record));
}

/* A fork may come while the watching of another thread is at work; when a handler makes it that has
 * interrupted this thread's, the locks are not waited for. */
static void before_fork(void)
{
    if (watch_thread.busy == 0) {
        activation_lock();
        heap_lock();
    }
}

static void after_fork(void)
{
    if (watch_thread.busy == 0) {
        heap_unlock();
        activation_unlock();
    }
}

static void in_child(void)
{
    after_fork();
    state_add(&watch_record->processes, 1);
    state_forked();
    sample_forked();
    prove_forked();
}

EXPORT watch_start_function arenashim_watch_start;

bool arenashim_watch_start(struct watch_host *host)
{
    text_note_stderr();
    struct record *record = map_record(host->record);
    if (!record)
        return false;
    if (!is_meant(record)) {
        state_add(&record->not_watched, 1);
        munmap(record, sizeof *record);
        return false;
    }
    if (!heap_start()) {
        say(host->record, ": the system refuses the address space for it");
        return false;
    }
    watch_record = record;
    sample_start();
    state_add(&record->processes, 1);
    if (pthread_atfork(before_fork, after_fork, in_child) != 0)
        return false;
    calls_start(host);
    if (record->mode == WATCH_PROVE)
        wrapped_start(&host->named);
    return true;
}

/* Resident memory: see resident.h. */
#include "bench/resident.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

long resident_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

/* The number behind `key` in a file of lines of "key: number kB". */
static long read_key(const char *path, const char *key)
{
    char text[4096];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length < 0)
        err(1, "%s", path);
    close(file);
    text[length] = '\0';
    const char *found = strstr(text, key);
    if (!found)
        errx(1, "%s: no %s", path, key);
    return strtol(found + strlen(key), NULL, 10);
}

/* Not VmRSS of /proc/self/status, which may be some hundred KiB behind. */
long resident_kb(void)
{
    return read_key("/proc/self/smaps_rollup", "Rss:");
}

long resident_peak_kb(void)
{
    return read_key("/proc/self/status", "VmHWM:");
}

void resident_peak_reset(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    /* A refusal leaves the peak of the whole run, as resident.h says. */
    if (write(file, "5", 1) < 0) {
    }
    close(file);
}

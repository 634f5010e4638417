#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#ifndef HAVE_STATX /* musl before 1.2.5: of what the kernel fills, these fields are asked for */
#include <sys/syscall.h>
#include <unistd.h>

#define STATX_INO 0x100U
#define STATX_BTIME 0x800U

struct statx {
    uint32_t unused[8];
    uint64_t stx_ino;
    uint64_t unused_too[5];
    struct {
        int64_t tv_sec;
        uint32_t tv_nsec, unused;
    } stx_btime, more_times[2];
    uint32_t no_devices[2], stx_dev_major, stx_dev_minor;
    uint64_t rest[14];
};
_Static_assert(sizeof(struct statx) == 256, "the kernel's size");

static int statx(int number, const char *path, int flags, unsigned mask, struct statx *status)
{
    return (int)syscall(SYS_statx, number, path, flags, mask, status);
}
#endif

bool descriptor_note(struct descriptor *descriptor, int number)
{
    struct statx status;
    int saved_errno = errno;
    *descriptor = (struct descriptor){.number = -1};
    if (number >= 0 && statx(number, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) == 0)
        *descriptor = (struct descriptor){number,
                                          {status.stx_dev_major, status.stx_dev_minor},
                                          status.stx_ino,
                                          status.stx_btime.tv_sec,
                                          status.stx_btime.tv_nsec};
    errno = saved_errno;
    return descriptor->number >= 0;
}

bool descriptor_equals(const struct descriptor *one, const struct descriptor *other)
{
    return one->device[0] == other->device[0] && one->device[1] == other->device[1] &&
           one->file == other->file && one->seconds == other->seconds &&
           one->nanoseconds == other->nanoseconds;
}

int descriptor_now(const struct descriptor *descriptor)
{
    struct descriptor now;
    return descriptor_note(&now, descriptor->number) && descriptor_equals(&now, descriptor)
               ? now.number
               : -1;
}

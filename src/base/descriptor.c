#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

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

#include "memory/wiped.h"

#include <errno.h>
#include <sys/mman.h>

/* Not initialised: so its page is no part of a file, of which the kernel wipes none. */
union wiped_page wiped_page;

void wiped_start(void)
{
    int saved_errno = errno;
    if (page_size <= PAGE_LARGEST)
        madvise(&wiped_page, sizeof wiped_page, MADV_WIPEONFORK);
    errno = saved_errno;
}

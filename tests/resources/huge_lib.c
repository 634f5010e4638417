/*
 * A library that is preloaded behind the shim: the kernel seems to give huge pages to every mapping
 * (/sys/kernel/mm/transparent_hugepage/enabled is `always`) where it only gives them on demand.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    void *mapped = (void *)syscall(SYS_mmap, start, size, protection, flags, file, offset);
    if (mapped != MAP_FAILED && file < 0)
        madvise(mapped, size, MADV_HUGEPAGE);
    return mapped;
}

/*
 * A library that is preloaded behind the shim, or onto a unit test, and makes the system's pages
 * 64 KiB: sysconf says so, and calls from the objects under test are held to it as the kernel
 * would. An address that is not aligned to it is refused with EINVAL and noted in the file
 * PAGE_LOG; a length counts up to the next page, so that who forgets that harms his neighbour;
 * mappings are placed at whole pages.
 *
 *   PAGE_OF        part of the names of these objects; "" is every object, the program too
 *   PAGE_RESERVED  set: the kernel maps nothing at an address that the caller has chosen and not
 *                  reserved
 *
 * Nothing here allocates.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE ((uintptr_t)64 << 10)

static size_t whole(size_t size)
{
    return (size + PAGE - 1) & -PAGE;
}

static bool is_under_test(void *caller)
{
    Dl_info object;
    const char *part = getenv("PAGE_OF");
    return part && dladdr(caller, &object) != 0 && strstr(object.dli_fname, part);
}

/* Whether the call is refused. */
static bool is_refused(const char *function, const void *address)
{
    if (((uintptr_t)address & (PAGE - 1)) == 0)
        return false;
    const char *log = getenv("PAGE_LOG");
    long file = log ? syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (file >= 0) {
        syscall(SYS_write, file, function, strlen(function));
        syscall(SYS_write, file, "\n", (size_t)1);
        syscall(SYS_close, file);
    }
    errno = EINVAL;
    return true;
}

#define UNDER_TEST is_under_test(__builtin_return_address(0))

static void *map(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    return (void *)syscall(SYS_mmap, start, size, protection, flags, file, offset);
}

/* Where the kernel chooses: of a page more, what is whole. */
static void *map_anywhere(size_t size, int protection, int flags, int file, off_t offset)
{
    char *found = map(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED)
        return found;
    char *start = (char *)(((uintptr_t)found + PAGE - 1) & -PAGE);
    if (start > found)
        syscall(SYS_munmap, found, start - found);
    if (start < found + PAGE)
        syscall(SYS_munmap, start + size, found + PAGE - start);
    return map(start, size, protection, flags | MAP_FIXED, file, offset);
}

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    if (!UNDER_TEST)
        return map(start, size, protection, flags, file, offset);
    if (is_refused("mmap", start) || is_refused("mmap's offset", (void *)offset))
        return MAP_FAILED;
    if (!start)
        return map_anywhere(whole(size), protection, flags, file, offset);
    if ((flags & MAP_FIXED_NOREPLACE) && getenv("PAGE_RESERVED")) {
        errno = EEXIST;
        return MAP_FAILED;
    }
    return map(start, whole(size), protection, flags, file, offset);
}

int munmap(void *start, size_t size)
{
    if (!UNDER_TEST)
        return (int)syscall(SYS_munmap, start, size);
    return is_refused("munmap", start) ? -1 : (int)syscall(SYS_munmap, start, whole(size));
}

int mprotect(void *start, size_t size, int protection)
{
    if (!UNDER_TEST)
        return (int)syscall(SYS_mprotect, start, size, protection);
    return is_refused("mprotect", start)
               ? -1
               : (int)syscall(SYS_mprotect, start, whole(size), protection);
}

int madvise(void *start, size_t size, int advice)
{
    if (!UNDER_TEST)
        return (int)syscall(SYS_madvise, start, size, advice);
    return is_refused("madvise", start) ? -1
                                        : (int)syscall(SYS_madvise, start, whole(size), advice);
}

void *mremap(void *start, size_t size, size_t larger, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *target = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if (!UNDER_TEST)
        return (void *)syscall(SYS_mremap, start, size, larger, flags, target);
    if (is_refused("mremap", start) || is_refused("mremap's target", target))
        return MAP_FAILED;
    return (void *)syscall(SYS_mremap, start, whole(size), whole(larger), flags, target);
}

long sysconf(int name)
{
    static long (*real)(int name);
    if (name == _SC_PAGESIZE)
        return PAGE;
    if (!real)
        real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

int getpagesize(void)
{
    return PAGE;
}

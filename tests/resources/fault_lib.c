/*
 * A library that is preloaded behind the shim and stands before the C library: calls that the shim
 * makes come here first, and some of them fail. Calls from anywhere else pass.
 *
 *   FAULT_IN      the functions that fail: a name, or `all`
 *   FAULT_AT      the number of the first call that fails, from 1; calls of all these functions
 *                 are counted together, each process counts on from what its parent had
 *   FAULT_ALWAYS  set: every call from there on fails; else this one alone
 *   FAULT_AS      instead of failing: write takes 1 byte (`short`) or none (`nothing`), or is
 *                 interrupted first (`interrupted`), as read is
 *   FAULT_LOG     a line with the function's name is appended for each call that failed
 *
 * Functions are called by system calls or, those that are none, by their addresses in the C
 * library. Nothing here allocates.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int count;

/* The shim's code. */
static uintptr_t shim_start, shim_end;

static int look_at(struct dl_phdr_info *object, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    if (!strstr(object->dlpi_name, "libarenashim"))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        shim_end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
        shim_start = object->dlpi_addr + part->p_vaddr;
    }
    return 1;
}

static bool is_shim(void *address)
{
    if (shim_start == 0) {
        dl_iterate_phdr(look_at, NULL);
        alarm(60); /* a fault that makes the process wait for ever ends it */
    }
    return (uintptr_t)address >= shim_start && (uintptr_t)address < shim_end;
}

static void note(const char *function)
{
    const char *log = getenv("FAULT_LOG");
    long file = log ? syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    if (file < 0)
        return;
    char line[64] = "";
    strncat(line, function, sizeof line - 2);
    strcat(line, "\n");
    syscall(SYS_write, file, line, strlen(line));
    syscall(SYS_close, file);
}

/* Whether this call of the function, made by the code at `caller`, is one that fails. */
static bool hits(const char *function, void *caller)
{
    const char *in = getenv("FAULT_IN");
    const char *at = getenv("FAULT_AT");
    if (!in || !at || (strcmp(in, function) != 0 && strcmp(in, "all") != 0) || !is_shim(caller))
        return false;
    int saved_errno = errno;
    int number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    int first = atoi(at);
    bool hit = number == first || (number > first && getenv("FAULT_ALWAYS"));
    if (hit)
        note(function);
    errno = saved_errno;
    return hit;
}

static bool fails_as(const char *how)
{
    const char *as = getenv("FAULT_AS");
    return as && strcmp(as, how) == 0;
}

#define HITS(function) hits(#function, __builtin_return_address(0))

/* The function behind this library. */
#define REAL(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

static int fail(int error)
{
    errno = error;
    return -1;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *mmap(void *start, size_t size, int protection, int flags, int file, off_t offset)
{
    if (HITS(mmap)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, start, size, protection, flags, file, offset);
}

int munmap(void *start, size_t size)
{
    return HITS(munmap) ? fail(ENOMEM) : (int)syscall(SYS_munmap, start, size);
}

int mprotect(void *start, size_t size, int protection)
{
    return HITS(mprotect) ? fail(ENOMEM) : (int)syscall(SYS_mprotect, start, size, protection);
}

int madvise(void *start, size_t size, int advice)
{
    return HITS(madvise) ? fail(EINVAL) : (int)syscall(SYS_madvise, start, size, advice);
}

void *mremap(void *start, size_t size, size_t larger, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *target = flags & MREMAP_FIXED ? va_arg(rest, void *) : NULL;
    va_end(rest);
    if (HITS(mremap)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mremap, start, size, larger, flags, target);
}

/* ---- threads and processes ------------------------------------------------------------------- */

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    return HITS(pthread_key_create) ? EAGAIN : REAL(pthread_key_create)(key, destructor);
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
    return HITS(pthread_setspecific) ? ENOMEM : REAL(pthread_setspecific)(key, value);
}

/* What pthread_atfork calls. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso)
{
    if (HITS(__register_atfork))
        return ENOMEM;
    return REAL(__register_atfork)(prepare, parent, child, dso);
}

int sigaltstack(const stack_t *stack, stack_t *old)
{
    return HITS(sigaltstack) ? fail(EPERM) : (int)syscall(SYS_sigaltstack, stack, old);
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return HITS(sigaction) ? fail(EINVAL) : REAL(sigaction)(number, action, old);
}

/* ---- files ----------------------------------------------------------------------------------- */

int open(const char *name, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return HITS(open) ? fail(EMFILE) : (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}

ssize_t write(int file, const void *bytes, size_t size)
{
    if (HITS(write)) {
        if (fails_as("interrupted"))
            return fail(EINTR);
        if (fails_as("nothing"))
            return 0;
        if (!fails_as("short"))
            return fail(EIO);
        size = 1;
    }
    return syscall(SYS_write, file, bytes, size);
}

ssize_t read(int file, void *bytes, size_t size)
{
    if (HITS(read))
        return fail(fails_as("interrupted") ? EINTR : EIO);
    return syscall(SYS_read, file, bytes, size);
}

int fstat(int file, struct stat *status)
{
    return HITS(fstat) ? fail(EIO) : REAL(fstat)(file, status);
}

int stat(const char *name, struct stat *status)
{
    return HITS(stat) ? fail(EIO) : REAL(stat)(name, status);
}

#ifdef _STAT_VER /* before glibc 2.33 the two are calls of these */
int __fxstat(int version, int file, struct stat *status)
{
    return HITS(fstat) ? fail(EIO) : REAL(__fxstat)(version, file, status);
}

int __xstat(int version, const char *name, struct stat *status)
{
    return HITS(stat) ? fail(EIO) : REAL(__xstat)(version, name, status);
}
#endif

int statx(int directory, const char *name, int flags, unsigned wanted, struct statx *status)
{
    if (HITS(statx))
        return fail(EIO);
    return (int)syscall(SYS_statx, directory, name, flags, wanted, status);
}

int ftruncate(int file, off_t size)
{
    return HITS(ftruncate) ? fail(EIO) : (int)syscall(SYS_ftruncate, file, size);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return HITS(openat) ? fail(EMFILE) : (int)syscall(SYS_openat, folder, name, flags, mode);
}

int renameat(int from, const char *name, int to, const char *other)
{
    return HITS(renameat) ? fail(EBUSY) : REAL(renameat)(from, name, to, other);
}

int unlink(const char *name)
{
    return HITS(unlink) ? fail(EBUSY) : (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
    return HITS(unlinkat) ? fail(EBUSY) : (int)syscall(SYS_unlinkat, folder, name, flags);
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    return HITS(mkdirat) ? fail(EACCES) : (int)syscall(SYS_mkdirat, folder, name, mode);
}

/* Behind at_quick_exit. */
int __cxa_at_quick_exit(void (*function)(void *), void *object)
{
    return HITS(__cxa_at_quick_exit) ? -1 : REAL(__cxa_at_quick_exit)(function, object);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    return HITS(clock_gettime) ? fail(EINVAL) : (int)syscall(SYS_clock_gettime, clock, now);
}

int poll(struct pollfd *files, nfds_t files_count, int patience)
{
    struct timespec time = {patience / 1000, patience % 1000 * 1000000L};
    return HITS(poll)
               ? fail(ENOMEM)
               : (int)syscall(SYS_ppoll, files, files_count, patience < 0 ? NULL : &time, NULL, 0);
}

int access(const char *name, int mode)
{
    return HITS(access) ? fail(EACCES) : (int)syscall(SYS_faccessat, AT_FDCWD, name, mode);
}

char *getcwd(char *name, size_t size)
{
    if (HITS(getcwd))
        return fail(EACCES), NULL;
    return syscall(SYS_getcwd, name, size) < 0 ? NULL : name;
}

ssize_t readlink(const char *name, char *target, size_t size)
{
    return HITS(readlink) ? fail(EIO) : syscall(SYS_readlinkat, AT_FDCWD, name, target, size);
}

/* As the system call does it, the file is closed all the same. */
int close(int file)
{
    int result = (int)syscall(SYS_close, file);
    return HITS(close) ? fail(EIO) : result;
}

/* ---- questions ------------------------------------------------------------------------------- */

int getrlimit(__rlimit_resource_t resource, struct rlimit *result)
{
    if (HITS(getrlimit))
        return fail(EINVAL);
    return (int)syscall(SYS_prlimit64, 0, resource, NULL, result);
}

int gethostname(char *name, size_t size)
{
    return HITS(gethostname) ? fail(EPERM) : REAL(gethostname)(name, size);
}

int fcntl(int file, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return HITS(fcntl) ? fail(EBADF) : (int)syscall(SYS_fcntl, file, command, argument);
}

int dladdr(const void *address, Dl_info *info)
{
    return HITS(dladdr) ? 0 : REAL(dladdr)(address, info);
}

int dladdr1(const void *address, Dl_info *info, void **extra, int flags)
{
    return HITS(dladdr1) ? 0 : REAL(dladdr1)(address, info, extra, flags);
}

int dlinfo(void *handle, int request, void *info)
{
    return HITS(dlinfo) ? -1 : REAL(dlinfo)(handle, request, info);
}

struct dl_find_object;
int _dl_find_object(void *address, struct dl_find_object *result)
{
    return HITS(_dl_find_object) ? -1 : REAL(_dl_find_object)(address, result);
}

void *dlopen(const char *name, int flags)
{
    return HITS(dlopen) ? NULL : REAL(dlopen)(name, flags);
}

/*
 * Which pages above a call can be read, without a system call where the stack is known: the rest of
 * the page that the return address lies in; the first thread's stack, whose end the loader knows;
 * another thread's own stack, at the end of which the C library puts the thread's descriptor.
 *
 * Only a thread's own stack may be remembered. It stays as long as the thread, whereas what lies
 * behind a coroutine's stack may be gone at its next call.
 */
#include "scope/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/track.h"

#if defined __aarch64__ || (defined __x86_64__ && (defined __clang__ || __GNUC__ >= 11))
#define GENERAL_REGISTERS __attribute__((target("general-regs-only")))
#else
#define GENERAL_REGISTERS
#endif

/* The smallest page there is; with larger ones some questions are asked in vain. */
#define PAGE ((uintptr_t)4096)

/* The kernel maps nothing else so near below the first thread's stack. */
#define FIRST_STACK ((uintptr_t)64 << 20)

/* As far from the descriptor a thread's stack is looked at, page by page, once. */
#define LOOKED_AT ((uintptr_t)1 << 20)

/* An address near the end of the first thread's stack. */
#ifdef HAVE_LIBC_STACK_END
extern void *__libc_stack_end;
#define FIRST_STACK_END ((uintptr_t)__libc_stack_end)
#else
#define FIRST_STACK_END ((uintptr_t)getauxval(AT_EXECFN))
#endif

/* What is known of the thread's own stack: all pages from one address to the other, the thread's
 * descriptor, can be read. Both are 0 until it has been looked at. */
static __thread struct {
    uintptr_t from, to;
} known __attribute__((tls_model("initial-exec")));

/* The thread that starts the process: its descriptor is not at the end of its stack. */
static pthread_t first_thread;

__attribute__((constructor)) static void note_first_thread(void)
{
    first_thread = pthread_self();
}

/* Slow, and not before Linux 5.14. */
GENERAL_REGISTERS static bool can_populate(uintptr_t page)
{
    enum { POPULATE_READ = 22 };
    return syscall(SYS_madvise, page, PAGE, POPULATE_READ) == 0;
}

/* The kernel reads a set of signals before it rejects the unknown operation. A memory checker would
 * take that for a use of the memory. */
GENERAL_REGISTERS static bool can_be_read_by_kernel(uintptr_t page)
{
    enum { NO_OPERATION = ~0 };
    const size_t kernel_set = 8;
    syscall(SYS_rt_sigprocmask, NO_OPERATION, page, NULL, kernel_set);
    return errno == EINVAL;
}

/* The page before it can be read. */
GENERAL_REGISTERS static bool is_readable(uintptr_t page)
{
    int kept = errno;
    bool readable = track_emulated() && can_populate(page - PAGE) ? can_populate(page)
                                                                  : can_be_read_by_kernel(page);
    errno = kept;
    return readable;
}

/* Looks whether the page, which follows one that can be read, lies on the thread's own stack: there
 * is no gap up to the descriptor. */
GENERAL_REGISTERS static bool is_own_stack(uintptr_t page)
{
    if (pthread_self() == first_thread)
        return false;
    uintptr_t descriptor = (uintptr_t)pthread_self();
    uintptr_t known_from = known.from ? known.from : descriptor & -PAGE;
    if (page >= known_from)
        return page < descriptor;
    if (known_from - page > LOOKED_AT)
        return false;
    for (uintptr_t next = page; next < known_from; next += PAGE)
        if (!is_readable(next))
            return false;
    /* A signal handler that comes in between, on a stack of its own, finds nothing known. */
    known.from = page - PAGE;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    known.to = descriptor;
    return true;
}

GENERAL_REGISTERS static OUT_OF_LINE size_t readable_bytes(uintptr_t arguments, uintptr_t end)
{
    uintptr_t page = (arguments - 1) & -PAGE;
    while (end - page > PAGE) {
        page += PAGE;
        if (!is_own_stack(page) && !is_readable(page))
            return (page - arguments) & ~(size_t)15;
    }
    return end - arguments;
}

GENERAL_REGISTERS size_t named_stack_bytes(const struct named_function *function,
                                           uintptr_t arguments)
{
    uintptr_t end = arguments + function->stack_bytes;
    uintptr_t first_end = FIRST_STACK_END;
    if (LIKELY(end <= first_end && first_end - arguments < FIRST_STACK) ||
        LIKELY(arguments >= known.from && end <= known.to))
        return function->stack_bytes;
    return readable_bytes(arguments, end);
}

/* ---- the thread's own stack ------------------------------------------------------------------ */

/* A hexadecimal number of /proc/self/maps that is being read. */
static bool is_digit(char byte, uintptr_t *number)
{
    unsigned digit = byte <= '9' ? (unsigned)(byte - '0') : (unsigned)(byte - 'a') + 10;
    if (digit > 15)
        return false;
    *number = *number << 4 | digit;
    return true;
}

/* Where the mapping that holds the address starts; the address when it is in none. By system calls
 * alone: those of the C library can be cancelled. */
static uintptr_t mapping_start(uintptr_t address)
{
    long file = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char bytes[256];
    long count;
    uintptr_t numbers[2] = {0, 0};
    int field = 0; /* start, end, the rest of the line */
    uintptr_t found = address;
    while (file >= 0 && found == address &&
           (count = syscall(SYS_read, file, bytes, sizeof bytes)) > 0) {
        for (long i = 0; i < count && found == address; i++) {
            if (bytes[i] == '\n') {
                numbers[0] = numbers[1] = 0;
                field = 0;
            } else if (field < 2 && !is_digit(bytes[i], &numbers[field]) && ++field == 2 &&
                       address - numbers[0] < numbers[1] - numbers[0]) {
                found = numbers[0];
            }
        }
    }
    if (file >= 0)
        syscall(SYS_close, file);
    return found;
}

void stack_find(struct thread *thread)
{
    if (thread->stack_size != 0)
        return;
    int kept = errno;
    uintptr_t end, start;
    if (pthread_self() == first_thread) {
        end = FIRST_STACK_END;
        start = end - FIRST_STACK;
    } else {
        /* The C library puts the descriptor at its end. */
        end = (uintptr_t)pthread_self();
        start = mapping_start(end);
    }
    thread->stack_start = start;
    signal_fence();
    thread->stack_size = end - start;
    errno = kept;
}

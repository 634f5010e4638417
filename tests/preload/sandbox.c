/*
 * A program that allows itself few system calls after its first scope, and is killed at any other:
 * sandbox CASE. Ends with 3 by a system call of its own, as what comes at exit is not allowed.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "expect.h"

#define MIB ((size_t)1 << 20)

static void allow(const int *calls, size_t count)
{
    struct sock_filter filter[64] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    struct sock_fprog program = {1, filter};
    for (size_t i = 0; i < count; i++) {
        filter[program.len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

#define ALLOW(...)                                                                                 \
    allow((const int[]){SYS_exit_group, __VA_ARGS__},                                              \
          sizeof((const int[]){SYS_exit_group, __VA_ARGS__}) / sizeof(int))

static void scopes(size_t most)
{
    for (int round = 0; round < 3; round++)
        for (size_t size = MIB / 2; size <= most; size += MIB / 2)
            ARENA_SCOPE("work") {
                char *block = opaque(calloc(1, size));
                if (!block || !in_arena(block))
                    _exit(4);
                memset(block, 1, size);
                free(block);
                for (int i = 0; i < 100; i++)
                    free(opaque(malloc(100)));
            }
}

/* Within the capacity that is set, or as often as before. */
static void nothing_more(void)
{
    scopes(3 * MIB);
    ALLOW(SYS_write);
    scopes(3 * MIB);
}

/* What arenas that grow and let go take. */
static void growth(void)
{
    scopes(MIB);
    ALLOW(SYS_mmap, SYS_munmap, SYS_madvise, SYS_mremap, SYS_brk); /* the last for the C library */
    scopes(40 * MIB);
    malloc_trim(0);
    scopes(40 * MIB);
}

static void message(void)
{
    scopes(MIB);
    ALLOW(SYS_statx, SYS_poll, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_write);
    arena_scope_end((arena_scope_token){12345});
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"nothing_more", nothing_more}, {"growth", growth}, {"message", message}};
    arena_learn();
    int status = run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
    _exit(status ? status : 3);
}

/*
 * A program whose descriptors, signals and limits are its own: output CASE. Each case allocates in
 * a scope, prints what it has seen and exits with 3.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "expect.h"

#ifdef GO_NOTE
/* As Go's linker marks its programs. */
__asm__(".pushsection .note.go.buildid, \"a\", @note\n"
        ".balign 4\n"
        ".long 4, 4, 4\n"
        ".asciz \"Go\\0\"\n"
        ".long 0\n"
        ".popsection\n");
#endif

static void work(void)
{
    ARENA_SCOPE("work") {
        char *block = opaque(malloc(100));
        EXPECT(in_arena(block));
        free(block);
    }
}

/* One line of the shim's. */
static void misuse(void)
{
    arena_scope_end((arena_scope_token){12345});
}

static void result(void)
{
    work();
    puts("result");
}

/* ---- descriptor 2 is another file's ---------------------------------------------------------- */

static void write_data(void)
{
    work();
    misuse();
    EXPECT(write(STDERR_FILENO, "data\n", 5) == 5);
}

static int open_data(void)
{
    int file = open(getenv("DATA"), O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT(file >= 0);
    return file;
}

static void closed_and_opened(void)
{
    close(STDERR_FILENO);
    EXPECT(open_data() == STDERR_FILENO);
    write_data();
}

static void duplicated(void)
{
    EXPECT(dup2(open_data(), STDERR_FILENO) == STDERR_FILENO);
    write_data();
}

/* The file that stderr was is gone, and the data file may well get its number. */
static void made_anew(void)
{
    close(STDERR_FILENO);
    unlink(getenv("DATA"));
    EXPECT(open_data() == STDERR_FILENO);
    write_data();
}

/* The file that ARENASHIM_STATS_FILE names. */
static void opened(void)
{
    int file = open(getenv("DATA"), O_RDWR);
    EXPECT(file > STDERR_FILENO && write(file, "data\n", 5) == 5);
    work();
}

/* Descriptor 3, which ARENASHIM_STATS_FILE names, becomes another file. */
static void third_exchanged(void)
{
    close(3);
    EXPECT(open_data() == 3 && write(3, "data\n", 5) == 5);
    work();
}

/* ---- signals --------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    EXPECT(!"a signal that the shim has caused");
}

/* The reader of stderr is gone before the shim writes there. */
static void handled(void)
{
    signal(SIGPIPE, on_signal);
    misuse();
    result();
}

/* A signal that waits is still there. */
static void waiting(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    misuse();
    sigpending(&set);
    EXPECT(sigismember(&set, SIGPIPE));
    result();
}

static void limited(void)
{
    struct rlimit limit = {500, 500};
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    result();
}

static void *misuse_when_cancelled(void *unused)
{
    pthread_cancel(pthread_self());
    misuse();
    puts("not cancelled");
    return unused;
}

static void cancelled(void)
{
    pthread_t thread;
    work();
    EXPECT(pthread_create(&thread, NULL, misuse_when_cancelled, NULL) == 0);
    pthread_join(thread, NULL);
}

/* Nobody reads what stderr holds. */
static void full(void)
{
    static const char bytes[4096];
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    EXPECT(fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK) == 0);
    while (write(STDERR_FILENO, bytes, sizeof bytes) > 0)
        continue;
    EXPECT(fcntl(STDERR_FILENO, F_SETFL, flags) == 0);
    result();
}

/* ---- what is printed ------------------------------------------------------------------------- */

static void labels(void)
{
    arena_scope_site site = {"bad\n  misuses    99\033[31m\302\233\177\xff\303\244", "f\rile", 1,
                             0};
    arena_scope_token token = arena_scope_begin(&site);
    void *block = opaque(malloc(1));
    EXPECT(in_arena(block));
    arena_scope_end(token);
}

static void leaves_at_once(void)
{
    result();
    fflush(stdout);
    syscall(SYS_exit_group, 3);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"result", result},
        {"closed_and_opened", closed_and_opened},
        {"duplicated", duplicated},
        {"made_anew", made_anew},
        {"opened", opened},
        {"third_exchanged", third_exchanged},
        {"handled", handled},
        {"waiting", waiting},
        {"limited", limited},
        {"cancelled", cancelled},
        {"full", full},
        {"labels", labels},
        {"leaves_at_once", leaves_at_once},
    };
    arena_learn();
    int status = run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
    return status ? status : 3;
}

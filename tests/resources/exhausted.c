/*
 * A process whose resources are used up after the shim's start: exhausted CASE. Exits with 77 when
 * the system does not let the case happen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "expect.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static void give_up(void)
{
    _exit(77);
}

/* A number of /proc/self/status, in bytes. Allocates nothing. */
static size_t status_of(const char *name)
{
    static char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    char *line = strstr(text, name);
    return line ? strtoul(line + strlen(name) + 1, NULL, 10) * KIB : 0;
}

static void limit(__rlimit_resource_t resource, size_t bytes)
{
    struct rlimit soft;
    getrlimit(resource, &soft);
    soft.rlim_cur = bytes;
    if (setrlimit(resource, &soft) != 0)
        give_up();
}

static void unlimit(__rlimit_resource_t resource)
{
    struct rlimit hard;
    getrlimit(resource, &hard);
    hard.rlim_cur = hard.rlim_max;
    setrlimit(resource, &hard);
}

/* Zeroed blocks of the arena, which do not stay so. */
static void draw(int blocks, size_t size)
{
    for (int i = 0; i < blocks; i++) {
        unsigned char *block = opaque(calloc(1, size));
        EXPECT(in_arena(block) && zeroed(block, size));
        if (block)
            memset(block, 7, size);
    }
}

static void *scopes(void *unused)
{
    for (int blocks = 50; blocks > 0; blocks /= 3)
        ARENA_SCOPE("scopes")
            draw(blocks, 100 * KIB);
    ARENA_SCOPE("scopes")
        draw(60, 100 * KIB);
    return unused;
}

static void in_threads(void)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        EXPECT(pthread_create(&thread, NULL, scopes, NULL) == 0);
        pthread_join(thread, NULL);
    }
}

/* ---- locked memory --------------------------------------------------------------------------- */

/* The kernel takes no page back. */
static void locked(void)
{
    scopes(NULL);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        give_up();
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, 4096, MADV_DONTNEED) == 0)
        give_up();
    EXPECT(status_of("VmRSS:") < 100 * MIB); /* the reservation takes none */
    scopes(NULL);
    in_threads();
    munlockall();
    scopes(NULL);
    in_threads();
}

/* ---- data ------------------------------------------------------------------------------------ */

enum { BLOCKS = 200 };

/* Draws blocks in a scope until there is no memory. Returns how many lie in the arena. */
static int draw_all(void)
{
    unsigned char *blocks[BLOCKS];
    int count = 0, in = 0;
    ARENA_SCOPE("all") {
        for (; count < BLOCKS; count++) {
            errno = 0;
            blocks[count] = opaque(calloc(1, 100 * KIB));
            if (!blocks[count])
                break;
            EXPECT(zeroed(blocks[count], 100 * KIB));
            fill(blocks[count], 100 * KIB, (unsigned)count);
            in += in_arena(blocks[count]);
        }
        EXPECT(count < BLOCKS && errno == ENOMEM);
        for (int i = 0; i < count; i++)
            EXPECT(filled(blocks[i], 100 * KIB, (unsigned)i));
        for (int i = 0; i < count; i++)
            free(blocks[i]);
    }
    return in;
}

/* What is writable is limited, and the limit is met while an arena grows. */
static void data(void)
{
    scopes(NULL);
    limit(RLIMIT_DATA, status_of("VmData:") + 8 * MIB);
    int in = draw_all();
    EXPECT(in > 20);
    for (int i = 0; i < 3; i++)
        EXPECT(draw_all() >= in - 5);
    unlimit(RLIMIT_DATA);
    scopes(NULL);
    in_threads();
}

/* ---- address space --------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *scopes_later(void *unused)
{
    scopes(NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    scopes(NULL);
    pthread_barrier_wait(&barrier);
    return unused;
}

/* What arenas have had they have, and they take nothing that the limit does not allow. */
static void address_space(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(pthread_create(&thread, NULL, scopes_later, NULL) == 0);
    pthread_barrier_wait(&barrier);
    scopes(NULL);
    limit(RLIMIT_AS, status_of("VmSize:"));
    EXPECT(opaque(malloc(64 * MIB)) == NULL);
    scopes(NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    unlimit(RLIMIT_AS);
    pthread_join(thread, NULL);
    in_threads();
}

/* ---- mappings -------------------------------------------------------------------------------- */

static void *scope_without_and_with(void *unused)
{
    free(opaque(malloc(1000))); /* the next allocator has what it needs */
    pthread_barrier_wait(&barrier);
    ARENA_SCOPE("without") {
        unsigned char *block = opaque(malloc(1000));
        EXPECT(block && !in_arena(block) && !arena_scope_active());
        free(block);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    scopes(NULL);
    return unused;
}

/* So many that the kernel splits none any more: a new arena cannot be made, until there are fewer.
 */
static void mappings(void)
{
    const size_t pages = 200000;
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    EXPECT(pthread_create(&thread, NULL, scope_without_and_with, NULL) == 0);
    unsigned char *area =
        mmap(NULL, pages * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        give_up();
    size_t page = 0;
    while (page < pages && mprotect(area + page * 4096, 4096, PROT_READ) == 0)
        page += 2;
    if (page >= pages)
        give_up();
    for (int i = 0; i < 1000; i++) /* the few that are left, none like the last */
        mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    ARENA_SCOPE("grown") {
        /* The capacity is there; growth is refused, too. */
        draw(9, 100 * KIB);
        for (int i = 0; i < 30; i++) {
            unsigned char *block = opaque(calloc(1, 1000));
            EXPECT(block && zeroed(block, 1000));
            if (block)
                memset(block, 7, 1000);
        }
        unsigned char *large = opaque(calloc(1, 200 * KIB));
        EXPECT(!large || zeroed(large, 200 * KIB));
        free(large);
    }
    munmap(area, pages * 4096);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    scopes(NULL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"scopes", in_threads},           {"locked", locked},     {"data", data},
        {"address_space", address_space}, {"mappings", mappings},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

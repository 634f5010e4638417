/*
 * What an attacker would like to find: pages both writable and executable, function pointers in
 * writable memory, sizes whose sum wraps, addresses known beforehand. One case per run.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

/* ---- the address space ------------------------------------------------------------------------
 */

/* Calls `visit` with every mapping; its permissions are as in "rw-p". */
static void each_mapping(void (*visit)(uintptr_t start, uintptr_t end, const char *permissions))
{
    unsigned long start, end;
    char permissions[5];
    FILE *maps = fopen("/proc/self/maps", "r");
    EXPECT(maps != NULL);
    while (maps && fscanf(maps, "%lx-%lx %4s%*[^\n]", &start, &end, permissions) == 3)
        visit(start, end, permissions);
    if (maps)
        fclose(maps);
}

static int mappings;

static void expect_not_both(uintptr_t start, uintptr_t end, const char *permissions)
{
    mappings++;
    if (strchr(permissions, 'w') && strchr(permissions, 'x'))
        fprintf(stderr, "%lx-%lx is %s\n", start, end, permissions);
    EXPECT(!strchr(permissions, 'w') || !strchr(permissions, 'x'));
}

static void *map_in_scope(void *unused)
{
    ARENA_SCOPE("maps") {
        memset(opaque(malloc(3 << 20)), 1, 3 << 20); /* past the capacity */
        each_mapping(expect_not_both);
    }
    return unused;
}

static void maps(void)
{
    pthread_t thread;
    map_in_scope(NULL);
    EXPECT(pthread_create(&thread, NULL, map_in_scope, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0 && mappings > 20);
}

/* ---- what start settled ---------------------------------------------------------------------- */

/* The shim's writable segment, as linked. */
static uintptr_t data_start, data_end, shim_base;

static int find_shim(struct dl_phdr_info *info, size_t size, void *inside)
{
    (void)size;
    uintptr_t first = 0, last = 0;
    int found = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        found = found || (uintptr_t)inside - start < segment->p_memsz;
        if (segment->p_flags & PF_W) {
            first = start;
            last = start + segment->p_memsz;
        }
    }
    if (!found)
        return 0;
    data_start = first;
    data_end = last;
    shim_base = info->dlpi_addr;
    return 1;
}

static struct {
    uintptr_t start, end;
} code[200], writable[200];
static int code_count, writable_count;

static void sort_mapping(uintptr_t start, uintptr_t end, const char *permissions)
{
    if (strchr(permissions, 'x') && code_count < 200) {
        code[code_count].start = start;
        code[code_count++].end = end;
    }
    uintptr_t from = start > data_start ? start : data_start;
    uintptr_t to = end < data_end ? end : data_end;
    if (strchr(permissions, 'w') && from < to && writable_count < 200) {
        writable[writable_count].start = from;
        writable[writable_count++].end = to;
    }
}

static int is_code(uintptr_t address)
{
    for (int i = 0; i < code_count; i++)
        if (address - code[i].start < code[i].end - code[i].start)
            return 1;
    return 0;
}

static void look_around(void)
{
    ARENA_SCOPE("learn")
        EXPECT(opaque(malloc(1)) != NULL);
    EXPECT(dl_iterate_phdr(find_shim, dlsym(RTLD_DEFAULT, "malloc")) == 1);
    each_mapping(sort_mapping);
    EXPECT(code_count > 3 && writable_count > 0);
}

/* No word of the shim's writable memory is the address of code: what it calls through lies in
 * pages that are read-only after start. */
static void pointers(void)
{
    void *handle = dlopen("libm.so.6", RTLD_NOW);
    EXPECT(handle && dlclose(handle) == 0); /* goes through the shim */
    free(opaque(realloc(opaque(malloc(10)), 20)));
    look_around();
    for (int i = 0; i < writable_count; i++)
        for (uintptr_t at = writable[i].start; at < writable[i].end; at += sizeof(void *))
            if (is_code(*(const uintptr_t *)at)) {
                fprintf(stderr, "code's address at offset %#lx\n", at - shim_base);
                EXPECT(!"a pointer to code in writable memory");
            }
}

/* Writes to the table of the next allocator; SECURITY_OFFSET says where it is in the library. */
static void table(void)
{
    const char *offset = getenv("SECURITY_OFFSET");
    look_around();
    char *pages = (char *)shim_base + strtoul(offset ? offset : "0", NULL, 16);
    EXPECT((uintptr_t)pages > data_start && (uintptr_t)pages < data_end);
    /* That it is the table: it begins with the next malloc. */
    EXPECT(is_code(*(const uintptr_t *)(void *)pages));
    for (int page = 0; page < 2; page++) {
        pid_t child = fork();
        if (child == 0) {
            *(volatile char *)(pages + page * 4096) = 1;
            _exit(0);
        }
        int status = 0;
        EXPECT(waitpid(child, &status, 0) == child);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
}

static void address(void)
{
    ARENA_SCOPE("address")
        printf("%p\n", opaque(malloc(1)));
}

/* ---- sizes ----------------------------------------------------------------------------------- */

#define HALF ((size_t)PTRDIFF_MAX + 1)

/* Each more than there is. */
static const size_t large[] = {
    SIZE_MAX,
    SIZE_MAX - 1,
    SIZE_MAX - 6,
    SIZE_MAX - 7,
    SIZE_MAX - 8,
    SIZE_MAX - 14,
    SIZE_MAX - 15,
    SIZE_MAX - 16,
    SIZE_MAX - 22,
    SIZE_MAX - 23,
    SIZE_MAX - 24,
    SIZE_MAX - 30,
    SIZE_MAX - 31,
    SIZE_MAX - 32,
    SIZE_MAX - 63,
    SIZE_MAX - 64,
    SIZE_MAX - 4086,
    SIZE_MAX - 4087,
    SIZE_MAX - 4094,
    SIZE_MAX - 4095,
    SIZE_MAX - 4096,
    SIZE_MAX - 4103,
    SIZE_MAX - 8191,
    SIZE_MAX - (1 << 20),
    HALF + 4096,
    HALF + 16,
    HALF + 1,
    HALF,
    PTRDIFF_MAX,
    PTRDIFF_MAX - 1,
    PTRDIFF_MAX - 7,
    PTRDIFF_MAX - 8,
    PTRDIFF_MAX - 15,
    PTRDIFF_MAX - 16,
    PTRDIFF_MAX - 23,
    PTRDIFF_MAX - 4095,
    PTRDIFF_MAX - 4096,
    PTRDIFF_MAX - 100000,
    PTRDIFF_MAX - (1L << 40),
};
#define LARGE (sizeof large / sizeof large[0])

static const size_t alignments[] = {0,   1, 3, 8, 16, 4096, 5000, 1 << 20, HALF >> 1, HALF >> 1 | 1,
                                    HALF};
#define ALIGNMENTS (sizeof alignments / sizeof alignments[0])

static size_t step;

/* What the newest block of the arena is followed by tells whether the call before moved anything.
 * Outside scopes and in pauses there is nothing to see. */
static char *probe(void)
{
    return arena_scope_active() ? opaque(malloc(16)) : NULL;
}

static void learn_step(void)
{
    char *first = probe();
    char *second = probe();
    step = (size_t)(second - first);
    free(second);
    free(first);
}

/* Frees both, so that no policy is asked. */
static void expect_step(char *before, char *after)
{
    EXPECT((size_t)(after - before) == step);
    free(after);
    free(before);
}

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        char *before = probe();                                                                    \
        errno = 0;                                                                                 \
        void *block = opaque(call);                                                                \
        int error = errno;                                                                         \
        char *after = probe();                                                                     \
        EXPECT(!block && error == ENOMEM);                                                         \
        expect_step(before, after);                                                                \
    } while (0)

/* Some versions of glibc add the two without a look and crash; outside scopes that is theirs. */
static int beyond_glibc(size_t alignment, size_t size)
{
    return !arena_scope_active() && alignment > HALF >> 1 && size > 1 << 20;
}

static void refuse_aligned(size_t alignment, size_t size)
{
    void *result = &result;
    if (beyond_glibc(alignment, size))
        return;
    REFUSED(memalign(alignment, size));
    /* Others are the next allocator's to judge. */
    if (alignment != 0 && (alignment & (alignment - 1)) == 0)
        REFUSED(aligned_alloc(alignment, size));

    char *before = probe();
    errno = 4711;
    int error = posix_memalign(&result, alignment, size);
    int after_errno = errno;
    char *after = probe();
    int valid = alignment >= sizeof(void *) && (alignment & (alignment - 1)) == 0;
    EXPECT(error == (valid ? ENOMEM : EINVAL) && result == &result);
    EXPECT(after_errno == 4711 || !arena_scope_active());
    expect_step(before, after);
}

static void refuse_size(size_t size)
{
    void *old = opaque(malloc(50));
    fill(old, 50, 5);
    REFUSED(malloc(size));
    REFUSED(calloc(1, size));
    REFUSED(calloc(size, 1));
    REFUSED(realloc(NULL, size));
    REFUSED(realloc(opaque(old), size));
    REFUSED(reallocarray(NULL, 1, size));
    REFUSED(reallocarray(opaque(old), size, 1));
    REFUSED(valloc(size));
    REFUSED(pvalloc(size));
    for (size_t i = 0; i < ALIGNMENTS; i++)
        refuse_aligned(alignments[i], size);
    EXPECT(filled(old, 50, 5) && malloc_usable_size(opaque(old)) < 4200);

    /* The newest block, which could grow where it lies. */
    char *newest = opaque(malloc(16));
    errno = 0;
    EXPECT(opaque(realloc(opaque(newest), size)) == NULL && errno == ENOMEM);
    char *next = probe();
    EXPECT(!next || (size_t)(next - newest) == step);
    free(next);
    free(opaque(newest));
    free(opaque(old));
}

/* Products that wrap to something small, or to nothing. */
static void refuse_product(size_t count, size_t size)
{
    void *old = opaque(malloc(50));
    REFUSED(calloc(count, size));
    REFUSED(reallocarray(NULL, count, size));
    REFUSED(reallocarray(opaque(old), count, size));
    free(opaque(old));
}

static void refuse_all(void)
{
    learn_step();
    for (size_t i = 0; i < LARGE; i++)
        refuse_size(opaque_size(large[i]));
    refuse_product(opaque_size(2), HALF);
    refuse_product(opaque_size(HALF), 2);
    refuse_product(opaque_size(16), (SIZE_MAX >> 4) + 1);
    refuse_product(opaque_size((SIZE_MAX >> 4) + 2), 16);
    refuse_product(opaque_size((size_t)1 << 32), (size_t)1 << 32);
    refuse_product(opaque_size(((size_t)1 << 32) + 1), (size_t)1 << 32);
    refuse_product(opaque_size(SIZE_MAX), SIZE_MAX);
    /* Small blocks of alignments that there is no room for. */
    for (size_t size = 0; size < 100; size += 33) {
        refuse_aligned(opaque_size(HALF >> 1), size);
        refuse_aligned(opaque_size(HALF), size);
    }
    /* No power of two is that large; glibc says so in its own way. */
    errno = 0;
    EXPECT(opaque(memalign(opaque_size(HALF | 1), 1)) == NULL && errno == EINVAL);
    errno = 0;
    EXPECT(opaque(memalign(opaque_size(SIZE_MAX), 1)) == NULL && errno == EINVAL);
}

static void sizes_in_scope(void)
{
    ARENA_SCOPE("sizes")
        refuse_all();
}

static void sizes_in_pause(void)
{
    ARENA_SCOPE("sizes") {
        EXPECT(in_arena(opaque(malloc(1))));
        char *before = opaque(malloc(16));
        ARENA_SCOPE_PAUSED
        {
            refuse_all();
        }
        arena_scope_token token = arena_scope_begin(NULL);
        arena_scope_end(token);
        char *after = opaque(malloc(16));
        ARENA_SCOPE("learn")
            learn_step();
        EXPECT((size_t)(after - before) == step);
    }
}

static void sizes_outside(void)
{
    ARENA_SCOPE("before")
        EXPECT(in_arena(opaque(malloc(1))));
    refuse_all();
}

/* ARENASHIM_OVERFLOW=abort stops at what an arena might hold, and at nothing beyond. */
static void sizes_abort(void)
{
    ARENA_SCOPE("sizes") {
        learn_step();
        for (size_t i = 0; i < LARGE; i++)
            if (large[i] > PTRDIFF_MAX) {
                REFUSED(malloc(opaque_size(large[i])));
                REFUSED(memalign(64, opaque_size(large[i])));
                REFUSED(calloc(1, opaque_size(large[i])));
            }
        REFUSED(memalign(opaque_size(HALF), opaque_size(PTRDIFF_MAX)));
        REFUSED(memalign(opaque_size(HALF >> 1), opaque_size(PTRDIFF_MAX - 4096)));
        puts("refused");
        fflush(stdout);
        free(opaque(malloc(opaque_size(PTRDIFF_MAX))));
        puts("gone on");
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"maps", maps},
        {"pointers", pointers},
        {"table", table},
        {"address", address},
        {"sizes_in_scope", sizes_in_scope},
        {"sizes_in_pause", sizes_in_pause},
        {"sizes_outside", sizes_outside},
        {"sizes_abort", sizes_abort},
    };
    if (argc == 2 && strcmp(argv[1], "address") != 0)
        arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

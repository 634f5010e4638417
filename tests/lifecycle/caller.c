/*
 * What a caller can see of the allocation family, printed as a transcript: results, errno, whether
 * arguments stay alone, alignment, usable size, contents. The corners are those that the C
 * library's own malloc tests pin (tst-malloc, tst-realloc, tst-calloc, tst-memalign,
 * tst-posix_memalign, tst-pvalloc, tst-valloc, tst-malloc-usable, tst-malloc-too-large,
 * tst-reallocarray, tst-aligned-alloc, tst-obstack's sizes). Addresses, and exact usable sizes, are
 * not printed: they are nobody's to rely on.
 *
 *     caller out|in       out of scopes or in one
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <unistd.h>

#include "expect.h"

static int in_scope;
static int passed_on; /* the next call is the next allocator's to judge */
static size_t page;

static const char *name_of(int error)
{
    const char *name = error == 4711 ? "kept" : error == 0 ? "0" : strerror(error);
    return name ? name : "?";
}

/* Sizes and alignments of all magnitudes, by name, so that the transcript does not depend on the
 * page size's value. */
static const struct number {
    const char *name;
    size_t value;
} sizes[] = {
    {"0", 0},
    {"1", 1},
    {"7", 7},
    {"8", 8},
    {"15", 15},
    {"16", 16},
    {"17", 17},
    {"24", 24},
    {"25", 25},
    {"1000", 1000},
    {"4095", 4095},
    {"4096", 4096},
    {"4097", 4097},
    {"131072", 131072},
    {"1048576", 1048576},
    {"3000000", 3000000},
    /* Too large for anyone. */
    {"PTRDIFF_MAX-4096", PTRDIFF_MAX - (size_t)4096},
    {"PTRDIFF_MAX-16", PTRDIFF_MAX - (size_t)16},
    {"PTRDIFF_MAX", PTRDIFF_MAX},
    {"PTRDIFF_MAX+1", PTRDIFF_MAX + (size_t)1},
    {"PTRDIFF_MAX+2", PTRDIFF_MAX + (size_t)2},
    {"SIZE_MAX-65536", SIZE_MAX - 65536},
    {"SIZE_MAX-4096", SIZE_MAX - 4096},
    {"SIZE_MAX-4095", SIZE_MAX - 4095},
    {"SIZE_MAX-48", SIZE_MAX - 48},
    {"SIZE_MAX-32", SIZE_MAX - 32},
    {"SIZE_MAX-31", SIZE_MAX - 31},
    {"SIZE_MAX-16", SIZE_MAX - 16},
    {"SIZE_MAX-15", SIZE_MAX - 15},
    {"SIZE_MAX-8", SIZE_MAX - 8},
    {"SIZE_MAX-1", SIZE_MAX - 1},
    {"SIZE_MAX", SIZE_MAX},
};
#define SIZES (sizeof sizes / sizeof sizes[0])
#define POSSIBLE(size) ((size) < (size_t)1 << 30)

static const struct number alignments[] = {
    {"0", 0},
    {"1", 1},
    {"2", 2},
    {"3", 3},
    {"4", 4},
    {"7", 7},
    {"8", 8},
    {"12", 12},
    {"16", 16},
    {"17", 17},
    {"24", 24},
    {"32", 32},
    {"33", 33},
    {"48", 48},
    {"64", 64},
    {"100", 100},
    {"256", 256},
    {"4096", 4096},
    {"65536", 65536},
    {"1048576", 1048576},
    {"2^62", (size_t)1 << 62},
    {"2^62+1", ((size_t)1 << 62) + 1},
    {"2^63-1", ((size_t)1 << 63) - 1},
    {"2^63", (size_t)1 << 63},
    {"2^63+1", ((size_t)1 << 63) + 1},
    {"SIZE_MAX-1", SIZE_MAX - 1},
    {"SIZE_MAX", SIZE_MAX},
};
#define ALIGNMENTS (sizeof alignments / sizeof alignments[0])

/* The largest power of two up to the page that an address is a multiple of, as far as is promised.
 */
static void print_alignment(const void *block, size_t promised)
{
    printf(" aligned:%s", (uintptr_t)block % promised == 0 ? "yes" : "no");
}

/* A block in all that is promised of it; frees it and looks at errno again. */
static void print_block(unsigned char *block, size_t size, size_t alignment, int zero)
{
    printf(" errno:%s", name_of(errno));
    if (!block) {
        puts(" NULL");
        return;
    }
    size_t usable = malloc_usable_size(block);
    printf(" block usable:%s", usable == 0 ? "0" : usable >= size ? "enough" : "less");
    print_alignment(block, alignment);
    if (zero)
        printf(" zero:%s", zeroed(block, size) ? "yes" : "no");
    if (in_arena(block) != (in_scope && !passed_on))
        fprintf(stderr, "a block of %zu bytes, aligned to %zu, comes from the wrong place\n", size,
                alignment);
    memset(block, 0xa5, usable);
    errno = 4711;
    free(block);
    printf(" free:%s\n", name_of(errno));
}

static size_t power_of_two_from(size_t alignment)
{
    size_t power = 16;
    while (power < alignment && power < (size_t)1 << 62)
        power *= 2;
    return power;
}

static void plain(void)
{
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = opaque_size(sizes[i].value);
        errno = 4711;
        void *block = opaque(malloc(size));
        printf("malloc(%s)", sizes[i].name);
        print_block(block, size, 16, 0);
        errno = 4711;
        block = opaque(calloc(1, size));
        printf("calloc(1, %s)", sizes[i].name);
        print_block(block, size, 16, POSSIBLE(size));
        errno = 4711;
        block = opaque(calloc(size, 1));
        printf("calloc(%s, 1)", sizes[i].name);
        print_block(block, size, 16, POSSIBLE(size));
        errno = 4711;
        block = opaque(realloc(opaque(NULL), size));
        printf("realloc(NULL, %s)", sizes[i].name);
        print_block(block, size, 16, 0);
        errno = 4711;
        block = opaque(reallocarray(opaque(NULL), size, 1));
        printf("reallocarray(NULL, %s, 1)", sizes[i].name);
        print_block(block, size, 16, 0);
        errno = 4711;
        block = opaque(valloc(size));
        printf("valloc(%s)", sizes[i].name);
        print_block(block, size, page, 0);
        errno = 4711;
        block = opaque(pvalloc(size));
        printf("pvalloc(%s)", sizes[i].name);
        print_block(block, POSSIBLE(size) ? (size + page - 1) / page * page : size, page, 0);
    }
}

/* Products that overflow, or just do not. */
static void products(void)
{
    static const struct number factors[] = {
        {"0", 0},
        {"1", 1},
        {"3", 3},
        {"2^16", (size_t)1 << 16},
        {"2^32-1", ((size_t)1 << 32) - 1},
        {"2^32", (size_t)1 << 32},
        {"2^32+1", ((size_t)1 << 32) + 1},
        {"2^62", (size_t)1 << 62},
        {"PTRDIFF_MAX", PTRDIFF_MAX},
        {"2^63", (size_t)1 << 63},
        {"SIZE_MAX/3", SIZE_MAX / 3},
        {"SIZE_MAX/3+1", SIZE_MAX / 3 + 1},
        {"SIZE_MAX", SIZE_MAX},
    };
    const size_t count = sizeof factors / sizeof factors[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            size_t a = opaque_size(factors[i].value), b = opaque_size(factors[k].value);
            size_t product;
            /* Not those that may or may not be had. */
            if (!__builtin_mul_overflow(a, b, &product) && !POSSIBLE(product) &&
                product <= PTRDIFF_MAX)
                continue;
            errno = 4711;
            void *block = opaque(calloc(a, b));
            printf("calloc(%s, %s)", factors[i].name, factors[k].name);
            print_block(block, a * b, 16, 1);
            errno = 4711;
            block = opaque(reallocarray(opaque(NULL), a, b));
            printf("reallocarray(NULL, %s, %s)", factors[i].name, factors[k].name);
            print_block(block, a * b, 16, 0);
            /* A live block: left as it was on failure, gone for a product of 0. */
            unsigned char *old = opaque(malloc(77));
            fill(old, 77, 1);
            errno = 4711;
            block = opaque(reallocarray(old, a, b));
            printf("reallocarray(block, %s, %s) errno:%s %s", factors[i].name, factors[k].name,
                   name_of(errno), block ? "block" : "NULL");
            if (block) {
                printf(" kept:%s", filled(block, a * b < 77 ? a * b : 77, 1) ? "yes" : "no");
                free(block);
            } else if (a != 0 && b != 0) {
                printf(" kept:%s", filled(old, 77, 1) ? "yes" : "no");
                free(old);
            }
            puts("");
        }
    }
}

static void aligned(void)
{
    static const size_t picked[] = {0, 1, 6, 9, 11, 14, 16, 18, 19, 21, 22, 25, 28, 30, 31};
    static unsigned char untouched;
    for (size_t i = 0; i < ALIGNMENTS; i++) {
        for (size_t k = 0; k < sizeof picked / sizeof picked[0]; k++) {
            size_t alignment = opaque_size(alignments[i].value);
            size_t size = opaque_size(sizes[picked[k]].value);
            const char *a = alignments[i].name, *s = sizes[picked[k]].name;
            size_t promised = power_of_two_from(alignment);
            /* Where the C library adds the two without a look, it crashes. */
            if (alignment > (size_t)1 << 62 && size == PTRDIFF_MAX)
                continue;
            errno = 4711;
            void *block = opaque(memalign(alignment, size));
            printf("memalign(%s, %s)", a, s);
            print_block(block, size, promised, 0);
            errno = 4711;
            block = opaque(aligned_alloc(alignment, size));
            printf("aligned_alloc(%s, %s)", a, s);
            passed_on = alignment == 0 || (alignment & (alignment - 1)) != 0;
            print_block(block, size, promised, 0);
            passed_on = 0;
            errno = 4711;
            block = &untouched;
            int error = posix_memalign(&block, alignment, size);
            /* What it returns some versions of the C library set, too. */
            printf("posix_memalign(%s, %s) returns:%s errno:%s", a, s, name_of(error),
                   name_of(error == ENOMEM && errno == ENOMEM ? 4711 : errno));
            if (error != 0) {
                puts(block == &untouched ? " argument:kept" : " argument:changed");
                continue;
            }
            /* Only good alignments come here. */
            print_block(block, size, promised, 0);
        }
    }
}

/* Every pair of sizes: what is kept, whether it may be NULL, and that failure leaves the block. */
static void resizing(void)
{
    for (size_t i = 0; i < 16; i++) {
        for (size_t k = 0; k < SIZES; k++) {
            size_t old_size = opaque_size(sizes[i].value);
            size_t size = opaque_size(sizes[k].value);
            unsigned char *old = opaque(k % 2 ? malloc(old_size) : calloc(1, old_size));
            unsigned char *behind =
                k % 3 ? opaque(malloc(10)) : NULL; /* then it is not the newest */
            fill(old, old_size, (unsigned)i);
            errno = 4711;
            unsigned char *block = opaque(realloc(old, size));
            printf("realloc(%s -> %s)", sizes[i].name, sizes[k].name);
            if (block) {
                size_t kept = old_size < size ? old_size : size;
                printf(" kept:%s", filled(block, kept, (unsigned)i) ? "yes" : "no");
            } else if (size != 0) {
                printf(" kept:%s", filled(old, old_size, (unsigned)i) ? "yes" : "no");
                EXPECT(malloc_usable_size(old) >= old_size);
            }
            print_block(block, size, 16, 0);
            if (!block && size != 0)
                free(old);
            free(behind);
        }
    }
}

/* Blocks of each kind, resized: the alignment need not last, the contents must. */
static void resizing_aligned(void)
{
    for (size_t alignment = 32; alignment <= 65536; alignment *= 4) {
        unsigned char *block = NULL;
        int error = posix_memalign((void **)&block, alignment, 300);
        fill(block, 300, 5);
        errno = 4711;
        block = opaque(realloc(block, 5000));
        printf("posix_memalign(%zu, 300) returns:%s, realloc to 5000 kept:%s", alignment,
               name_of(error), filled(block, 300, 5) ? "yes" : "no");
        block = opaque(realloc(block, 10));
        printf(" to 10 kept:%s errno:%s\n", filled(block, 10, 5) ? "yes" : "no", name_of(errno));
        free(block);
    }
}

/* Nothing, and the same over and over. */
static void nothing(void)
{
    errno = 4711;
    free(opaque(NULL));
    printf("free(NULL) errno:%s\n", name_of(errno));
    printf("malloc_usable_size(NULL) %zu\n", malloc_usable_size(opaque(NULL)));
    void *a = opaque(malloc(opaque_size(0))), *b = opaque(malloc(opaque_size(0)));
    printf("malloc(0) twice: %s\n", a && b && a != b ? "two blocks" : "not two blocks");
    errno = 4711;
    void *gone = opaque(realloc(a, opaque_size(0)));
    printf("realloc(malloc(0), 0) %s errno:%s\n", gone ? "block" : "NULL", name_of(errno));
    b = opaque(realloc(b, 100));
    printf("realloc(malloc(0), 100) %s\n", b ? "block" : "NULL");
    errno = 4711;
    gone = opaque(realloc(b, opaque_size(0)));
    printf("realloc(block, 0) %s errno:%s\n", gone ? "block" : "NULL", name_of(errno));
    /* tst-realloc: every size up and down, contents checked. */
    unsigned char *block = opaque(calloc(20, 1));
    int good = zeroed(block, 20);
    for (size_t size = 20; size < 4000; size += 37) {
        block = opaque(realloc(block, size));
        fill(block, size, 3);
    }
    for (size_t size = 4000; size > 41; size -= 41) {
        block = opaque(realloc(block, size));
        good = good && filled(block, size < 3900 ? size : 3900, 3);
    }
    free(block);
    printf("realloc up and down: %s\n", good ? "kept" : "lost");
    /* tst-malloc-usable: all that is usable can be filled, and stays through realloc to that. */
    for (size_t size = 1; size < 2000; size += 13) {
        block = opaque(malloc(size));
        size_t usable = malloc_usable_size(block);
        fill(block, usable, 4);
        block = opaque(realloc(block, usable));
        good = good && filled(block, usable, 4) && malloc_usable_size(block) >= usable;
        free(block);
    }
    printf("usable sizes: %s\n", good ? "usable" : "not usable");
}

static void all(void)
{
    plain();
    products();
    aligned();
    resizing();
    resizing_aligned();
    nothing();
}

int main(int argc, char **argv)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    arena_learn();
    in_scope = argc > 1 && strcmp(argv[1], "in") == 0;
    if (in_scope) {
        ARENA_SCOPE("caller")
            all();
    } else {
        all();
    }
    return fflush(stdout) != 0 || expect_failures > 0;
}

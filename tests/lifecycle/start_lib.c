/*
 * Libraries that are in the process before the shim has started, or apart from it; one each by
 * definition:
 *
 * START_IFUNC        its resolver, which runs before the shim is relocated, calls the whole family
 * START_CONSTRUCTOR  begins scopes and starts threads when loaded
 * START_APART        marks scopes and draws blocks in the namespace that it was loaded into
 * START_AUDIT        an audit library that allocates; with START_AUDIT=2 it also puts itself around
 *                    every call through a procedure linkage table
 */
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"

#ifdef START_IFUNC
static unsigned char *volatile drawn[8];

static int answer(void)
{
    return 4711;
}

static int (*choose(void))(void)
{
    /* No function of the C library but the allocation family can be relied on here. */
    unsigned char *block = opaque(malloc(100));
    for (size_t i = 0; i < 100; i++)
        block[i] = (unsigned char)i;
    block = opaque(realloc(block, 300));
    drawn[0] = block;
    drawn[1] = opaque(calloc(3, 50));
    drawn[2] = opaque(aligned_alloc(256, 512));
    drawn[3] = opaque(realloc(NULL, 40));
    drawn[4] = opaque(malloc(0));
    free(opaque(malloc(64)));
    free(NULL);
    drawn[5] = opaque(realloc(opaque(malloc(500)), 20));
    drawn[6] = (unsigned char *)malloc_usable_size(block);
    /* Refused, by whichever rule. */
    drawn[7] = opaque(malloc(opaque_size(SIZE_MAX - 100)));
    return answer;
}

/* Static, so that it is resolved after the library's other relocations. */
static int chosen(void) __attribute__((ifunc("choose")));

int early_check(void);

/* What the resolver drew is there, and can grow and be freed. */
int early_check(void)
{
    EXPECT(chosen() == 4711);
    for (size_t i = 0; i < 100; i++)
        EXPECT(drawn[0][i] == i);
    EXPECT(zeroed(drawn[1], 150) && (uintptr_t)drawn[2] % 256 == 0 && drawn[3] && drawn[4]);
    EXPECT((size_t)drawn[6] >= 300 && drawn[7] == NULL);
    for (int i = 0; i < 6; i++) {
        size_t usable = malloc_usable_size(drawn[i]);
        fill(drawn[i], usable, (unsigned)i);
    }
    for (int i = 0; i < 6; i++) {
        size_t usable = malloc_usable_size(drawn[i]);
        EXPECT(filled(drawn[i], usable, (unsigned)i));
        drawn[i] = realloc(drawn[i], usable + 1000);
        EXPECT(filled(drawn[i], usable, (unsigned)i));
        free(drawn[i]);
    }
    return expect_failures;
}
#endif

#ifdef START_CONSTRUCTOR
static void *kept[4];
static int active;

static void *scopes_in_thread(void *unused)
{
    int seen = 0;
    for (int i = 0; i < 10; i++) {
        ARENA_SCOPE("in a thread of a constructor") {
            unsigned char *block = opaque(malloc(1000));
            fill(block, 1000, 3);
            seen += arena_scope_active();
            EXPECT(filled(block, 1000, 3));
        }
    }
    active += seen;
    return unused;
}

__attribute__((constructor)) static void begin_early(void)
{
    kept[0] = opaque(malloc(100));
    fill(kept[0], 100, 1);
    ARENA_SCOPE("in a constructor") {
        kept[1] = opaque(malloc(100));
        fill(kept[1], 100, 2);
        active += arena_scope_active();
        kept[1] = arena_scope_keep(kept[1]);
    }
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, scopes_in_thread, NULL) == 0);
    pthread_join(thread, NULL);
    kept[2] = opaque(realloc(opaque(malloc(50)), 100));
    fill(kept[2], 100, 3);
}

int early_check(void);

int early_check(void)
{
    EXPECT(active == 11);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(filled(kept[i], 100, i + 1));
        free(kept[i]);
    }
    return expect_failures;
}
#endif

#ifdef START_APART
/* `key`: the program's, with a value that must still be there. */
int apart(void);

static void *scopes(void *unused)
{
    int active = 0;
    for (int i = 0; i < 20; i++) {
        ARENA_SCOPE("apart") {
            unsigned char *blocks[10];
            for (unsigned k = 0; k < 10; k++) {
                blocks[k] = opaque(malloc(k * 100 + 1));
                fill(blocks[k], k * 100 + 1, k);
            }
            active |= arena_scope_active();
            for (unsigned k = 0; k < 10; k++)
                EXPECT(filled(blocks[k], k * 100 + 1, k));
            for (unsigned k = 0; k < 10; k += 2)
                free(blocks[k]);
        }
    }
    EXPECT(active == 0);
    return unused;
}

int apart(void)
{
    scopes(NULL);
    return expect_failures;
}
#endif

#ifdef START_AUDIT
static int bound;
static void *last;

/* Allocates as a library does that keeps a table: in its own namespace's heap. */
static void note(size_t size)
{
    void *block = malloc(size);
    if (block)
        memset(block, 1, size);
    free(last);
    last = block;
    bound++;
}

unsigned la_version(unsigned version)
{
    note(100);
    return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie)
{
    (void)map;
    (void)namespace;
    (void)cookie;
    note(50);
    return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to,
                       unsigned *flags, const char *name)
{
    (void)index;
    (void)from;
    (void)to;
    (void)flags;
    note(strlen(name) + 20);
    return symbol->st_value;
}

#if START_AUDIT == 2
Elf64_Addr la_x86_64_gnu_pltenter(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to,
                                  La_x86_64_regs *registers, unsigned *flags, const char *name,
                                  long *frame_size)
{
    (void)index;
    (void)from;
    (void)to;
    (void)registers;
    (void)flags;
    note(strlen(name) + 20);
    (void)frame_size;
    return symbol->st_value;
}
#endif

/* The auditor's stderr is shared with the program: a line there shows that it worked. */
void la_preinit(uintptr_t *cookie)
{
    (void)cookie;
    note(30);
    if (getenv("START_AUDIT_SAY"))
        fprintf(stderr, "audit: %s\n", bound > 20 ? "many" : "few");
}
#endif

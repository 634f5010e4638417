/*
 * A rank of an MPI job that hands memory of its scopes to MPI: mpi CASE. The cases other than
 * `exchange` ask one library's memory hooks whether they have seen what arenas give back to the
 * kernel: a network card that goes on with the old pages reads and writes what is nobody's any
 * more.
 *
 * Exits with 1 when an expectation fails, 77 when the library has no hooks here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <mpi.h>
#include <stdbool.h>
#ifdef HAVE_UCM
#include <ucm/api/ucm.h>
#endif

#include "expect.h"

#define MIB ((size_t)1 << 20)

/* ---- messages out of scopes and into them ---------------------------------------------------- */

static void exchange(void)
{
    int rank, ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
    for (int round = 0; round < 40; round++)
        ARENA_SCOPE("exchange") {
            int size = (round % 4 + 1) * (round % 2 ? 1 << 10 : 1 << 20);
            char *out = opaque(malloc((size_t)size)), *in = opaque(malloc((size_t)size));
            EXPECT(in_arena(out) && in_arena(in));
            fill(out, (size_t)size, (unsigned)(rank + round));
            MPI_Sendrecv(out, size, MPI_BYTE, next, 0, in, size, MPI_BYTE, previous, 0,
                         MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            EXPECT(filled(in, (size_t)size, (unsigned)(previous + round)));
            free(out);
            free(in);
        }
}

/* ---- what is given back ---------------------------------------------------------------------- */

static uintptr_t watched;
static int seen;

/* Called by a library's hook, from within the shim's call of madvise or munmap. Such code
 * allocates. */
static void given_back(uintptr_t start, size_t size)
{
    free(opaque(malloc(100)));
    if (watched - start < size)
        seen++;
}

/* A block that grows past the one behind it: where scopes retain, the kernel moves its pages. */
static char *grow(char *block)
{
    char *behind = opaque(malloc(8 * MIB));
    char *grown = opaque(realloc(block, 32 * MIB));
    EXPECT(in_arena(grown) && (uintptr_t)grown != watched - 4 * MIB && grown[MIB] == 1);
    EXPECT(strcmp(getenv("ARENASHIM_END"), "retain") != 0 || seen > 0);
    free(behind);
    return grown;
}

/* With a small capacity the end of each scope gives back what the blocks had. */
static void give_back(void)
{
    for (int round = 0; round < 10; round++) {
        seen = 0;
        ARENA_SCOPE("large") {
            char *block = opaque(malloc(8 * MIB));
            EXPECT(in_arena(block));
            memset(block, 1, 8 * MIB);
            watched = (uintptr_t)block + 4 * MIB;
            free(round % 2 ? grow(block) : block);
        }
        EXPECT(seen > 0);
    }
}

static void called_by_open_mpi(void *start, size_t size, void *unused, bool from_allocator)
{
    (void)unused, (void)from_allocator;
    given_back((uintptr_t)start, size);
}

/* As its own caches of registered memory do, which only some network cards have. */
static void open_mpi(void)
{
    typedef void callback(void *, size_t, void *, bool);
    int (*open_hooks)(void *, int), (*watch)(callback *, void *);
    void *hooks = dlsym(RTLD_DEFAULT, "opal_memory_base_framework");
    *(void **)&open_hooks = dlsym(RTLD_DEFAULT, "mca_base_framework_open");
    *(void **)&watch = dlsym(RTLD_DEFAULT, "opal_mem_hooks_register_release");
    if (!hooks || !open_hooks || !watch || open_hooks(hooks, 0) != 0 ||
        watch(called_by_open_mpi, NULL) != 0)
        exit(77);
    give_back();
}

#ifdef HAVE_UCM
static void called_by_ucx(ucm_event_type_t type, ucm_event_t *event, void *unused)
{
    (void)type, (void)unused;
    given_back((uintptr_t)event->vm_unmapped.address, event->vm_unmapped.size);
}

static void ucx(void)
{
    if (ucm_set_event_handler(UCM_EVENT_VM_UNMAPPED, 0, called_by_ucx, NULL) != UCS_OK)
        exit(77);
    give_back();
}
#endif

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"exchange", exchange},
        {"open_mpi", open_mpi},
#ifdef HAVE_UCM
        {"ucx", ucx},
#endif
    };
    MPI_Init(&argc, &argv);
    arena_learn();
    int status = run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
    MPI_Finalize();
    return status;
}

/*
 * A program with one scope of ten blocks: simple [THREADS [MEGABYTES]]. Prints "sum 45" and exits
 * with 7, with the shim or without; `active` on stderr with ARENA_SAY set. MEGABYTES are drawn at
 * the end; with -DSTATIC_MEGABYTES so many are part of the program.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <arenashim/scope.h>

#ifdef STATIC_MEGABYTES
static char room[(size_t)STATIC_MEGABYTES << 20];
#endif

static void *step(void *result)
{
    ARENA_SCOPE("simple") {
        int **numbers = malloc(10 * sizeof *numbers);
        for (int i = 0; i < 10; i++) {
            numbers[i] = calloc(1, 500);
            numbers[i][0] = i;
        }
        for (int i = 0; i < 10; i++)
            *(int *)result += numbers[i][0];
        if (getenv("ARENA_SAY"))
            fprintf(stderr, "active %d\n", arena_scope_active());
    }
    return NULL;
}

int main(int argc, char **argv)
{
    enum { MAX = 100 };
    pthread_t threads[MAX];
    int sums[MAX] = {0}, sum = 0;
    int count = argc > 1 ? atoi(argv[1]) : 0;
    step(&sum);
    for (int i = 0; i < count && i < MAX; i++)
        if (pthread_create(&threads[i], NULL, step, &sums[i]) != 0)
            return 1;
    for (int i = 0; i < count && i < MAX; i++) {
        pthread_join(threads[i], NULL);
        if (sums[i] != sum)
            return 1;
    }
    if (argc > 2 && !malloc((size_t)atoi(argv[2]) << 20))
        return 2;
#ifdef STATIC_MEGABYTES
    *(volatile char *)room = 1;
#endif
    printf("sum %d\n", sum);
    return fflush(stdout) == 0 ? 7 : 1;
}

/* Does everything that a correct program may do with scope memory; memcheck finds nothing. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arenashim/scope.h>

static char *kept;

static void use(size_t size)
{
    char *block = malloc(size);
    memset(block, 1, size);
    block = realloc(block, 2 * size);
    memset(block + size, 2, size);
    block = realloc(block, size / 2);
    char *zeroes = calloc(size, 1);
    for (size_t i = 0; i < size; i++)
        if (zeroes[i] != 0)
            abort();
    void *aligned = NULL;
    if (posix_memalign(&aligned, 256, size) != 0)
        abort();
    memset(aligned, 3, size);
    free(zeroes);
    if (block[0] != 1)
        abort();
}

static void *work(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        ARENA_SCOPE("outer") {
            use(40);
            ARENA_SCOPE("inner")
                use(1000);
            use(100000); /* past the capacity that the test sets */
            ARENA_SCOPE_PAUSED
            free(malloc(10));
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    work(NULL);
    pthread_join(thread, NULL);
    ARENA_SCOPE("keep") {
        kept = malloc(20);
        strcpy(kept, "kept");
        kept = arena_scope_keep(kept);
        printf("%s\n", kept);
    }
    printf("%s\n", kept);
    free(kept);
    return 0;
}

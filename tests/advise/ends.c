/*
 * Its first thread ends before another one draws 64 MiB, keeps them, and ends.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

static char *kept;

static void *work(void *first)
{
    pthread_join(*(pthread_t *)first, NULL);
    kept = malloc(64 * MIB);
    if (kept)
        memset(kept, 1, 64 * MIB);
    return NULL;
}

int main(void)
{
    static pthread_t first, other;
    first = pthread_self();
    if (pthread_create(&other, NULL, work, &first) != 0)
        return 1;
    pthread_exit(NULL);
}

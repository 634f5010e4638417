/*
 * Leaks of a program that has no mark: lost CASE. "thread" loses a block of a started thread,
 * "main" one of its own, and "clean" none. No block of the C library's need be alive at exit.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void lose(size_t size)
{
    char *volatile block = malloc(size);
    memset(block, 1, size);
    block = NULL;
}

static void *run(void *unused)
{
    lose(777);
    return unused;
}

/* No copy of the pointer is left on the stack. */
__attribute__((noinline)) static void wipe(void)
{
    volatile char bytes[4096];
    memset((char *)bytes, 0, sizeof bytes);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "clean";
    if (strcmp(name, "main") == 0) {
        lose(1234);
        wipe();
    } else if (strcmp(name, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, run, NULL);
        pthread_join(thread, NULL);
    }
    char *volatile freed = malloc(10);
    free(freed);
    return 0;
}

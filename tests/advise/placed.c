/* Functions for tests/advise/places.sh: inlined ones, one with a part that is moved away, twins. */
#include <stdlib.h>

void *keep[2];
int placed_other(int n);

static inline __attribute__((always_inline)) void *inner(size_t size)
{
    return malloc(size); /* line 9 */
}

static inline __attribute__((always_inline)) void outer(size_t size)
{
    keep[0] = inner(size); /* line 14 */
}

__attribute__((noinline, cold)) void report(int n)
{
    keep[1] = (void *)(long)n;
}

__attribute__((noinline)) int placed_handle(int n)
{
    outer((size_t)n + 1); /* line 24 */
    if (__builtin_expect(n > 1000000, 0)) {
        report(n);
        report(n + 1);
        abort();
    }
    free(keep[0]);
    return n + 1;
}

static __attribute__((noinline, noclone)) int twin(int n)
{
    return placed_handle(n) + 1;
}

int main(int argc, char **argv)
{
    (void)argv;
    return twin(argc) + placed_other(argc) == 0;
}

/*
 * A program with known answers, for tests/advise/advice.sh: each request draws blocks that die in
 * it, in a callee's callee and by a callee, and one in ten that lives on. Prints how many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 300, BLOCKS = 20, LASTING_EACH = 10 };

static void *lasting[REQUESTS];
static long drawn, inside, bytes, kept;

__attribute__((noinline)) void *advice_draw(size_t size)
{
    drawn++;
    bytes += (long)size;
    return memset(malloc(size), 1, size);
}

__attribute__((noinline)) void advice_release(void **blocks, int count)
{
    for (int i = 0; i < count; i++)
        free(blocks[i]);
    inside += count;
}

__attribute__((noinline)) void advice_request(int number)
{
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = advice_draw(100 + (size_t)i);
    advice_release(blocks, BLOCKS);
    if (number % LASTING_EACH == 0)
        lasting[kept++] = advice_draw(1000);
}

__attribute__((noinline)) void advice_serve(void)
{
    for (int i = 0; i < REQUESTS; i++)
        advice_request(i);
    for (int i = 0; i < kept; i++)
        free(lasting[i]);
}

int main(void)
{
    advice_serve();
    fprintf(stderr, "requests %d drawn %ld inside %ld bytes %ld kept %ld\n", REQUESTS, drawn,
            inside, bytes, kept);
    return 0;
}

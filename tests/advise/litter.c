/*
 * A program that litters: each request leaves a block right behind a temporary one, and the next
 * temporary one does not fit into the hole, nor does what lasts. So the heap grows by a hole for
 * each request, unless what dies early lies apart from what lasts.
 */
#include <stdlib.h>
#include <string.h>

#define REQUESTS 700
#define LASTING 33000 /* more than the largest hole; touched at its start alone */
#define SMALL 20

__attribute__((noinline)) void *litter_request(size_t number)
{
    size_t size = 20000 + 16 * number;
    for (int i = 0; i < SMALL; i++) {
        void *volatile small = malloc(24);
        free(small);
    }
    char *temporary = malloc(size);
    memset(temporary, 1, size);
    __asm__ volatile("" : : "r"(temporary) : "memory"); /* or else it is left out */
    char *lasting = malloc(LASTING);
    *lasting = 1;
    free(temporary);
    return lasting;
}

int main(void)
{
    static void *volatile lasting[REQUESTS];
    for (size_t i = 0; i < REQUESTS; i++)
        lasting[i] = litter_request(i);
    return lasting[REQUESTS - 1] == NULL;
}

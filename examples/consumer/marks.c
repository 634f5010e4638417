/* A mark in C: the list of each turn is gone at the end of its block. */
#include <arenashim/scope.h>
#include <stdio.h>
#include <stdlib.h>

struct item {
    struct item *next;
    int value;
};

static int sum_of_list(int length)
{
    ARENA_SCOPE_HERE("sum of list");
    struct item *first = NULL;
    for (int i = 1; i <= length; i++) {
        struct item *item = malloc(sizeof *item);
        if (!item)
            abort();
        *item = (struct item){first, i};
        first = item;
    }
    int sum = 0;
    for (const struct item *item = first; item; item = item->next)
        sum += item->value;
    return sum;
}

int main(void)
{
    int sum = 0;
    for (int turn = 0; turn < 10; turn++)
        sum += sum_of_list(100);
    printf("%d\n", sum);
    return sum != 50500;
}

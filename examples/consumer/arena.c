/* The arena itself: no malloc, no shim, no byte of overhead. */
#include <arenashim/arena.h>
#include <stdio.h>

static double mean_of_squares(struct arena *arena, size_t count)
{
    double *squares = arena_alloc_array(arena, double, count);
    double sum = 0.0;
    if (!squares)
        return -1.0;
    for (size_t i = 0; i < count; i++)
        squares[i] = (double)(i * i);
    for (size_t i = 0; i < count; i++)
        sum += squares[i];
    arena_reset(arena);
    return sum / (double)count;
}

int main(void)
{
    unsigned char buffer[1024];
    struct arena own;
    arena_init(&own, buffer, sizeof buffer);
    double small = mean_of_squares(&own, 4), large = mean_of_squares(arena_thread(), 1000);
    printf("%.1f %.1f, refused: %d\n", small, large, mean_of_squares(&own, 1000) < 0.0);
    return small != 3.5 || large != 332833.5 || arena_overflow_count(&own) != 1;
}

/*
 * Calls a function that returns a number in a vector register, and leaves behind what the libraries
 * named as arguments have drawn for it; prints how many results were wrong.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 4000, LIBRARIES_MOST = 16 };

typedef void *draw_function(size_t size);

static draw_function *draw[LIBRARIES_MOST];
static void *kept[CALLS];

__attribute__((noinline, noclone)) double work(double number, int call, int library);

double work(double number, int call, int library)
{
    kept[call] = draw[library](50);
    return number * 1.5;
}

int main(int argc, char **argv)
{
    int libraries = argc - 1, wrong = 0;
    if (libraries < 1 || libraries > LIBRARIES_MOST)
        return 2;
    for (int i = 0; i < libraries; i++) {
        void *library = dlopen(argv[i + 1], RTLD_NOW);
        draw[i] = library ? (draw_function *)dlsym(library, "draw") : NULL;
        if (!draw[i])
            return 3;
    }
    for (int i = 0; i < CALLS; i++)
        wrong += work(i + 0.25, i, i * libraries / CALLS) != (i + 0.25) * 1.5;
    printf("%d\n", wrong);
    return 0;
}

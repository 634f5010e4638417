/* A program with a malloc of its own, to which operator new comes by way of the run-time library.
 */
#include <cstddef>
#include <cstdio>
#include <new>

#include <arenashim/scope.h>

extern "C" void *__libc_malloc(std::size_t);
extern "C" void __libc_free(void *);

static unsigned long drawn, freed;

extern "C" void *malloc(std::size_t size) noexcept
{
    drawn++;
    return __libc_malloc(size);
}

extern "C" void free(void *block) noexcept
{
    freed++;
    __libc_free(block);
}

int main()
{
    ARENA_SCOPE_PAUSED
    {
    } /* looks for the shim, which makes calls */
    unsigned long drawn_before = drawn, freed_before = freed;
    ARENA_SCOPE("own") {
        int *volatile number = new int;
        delete number;
        number = new int[7];
        delete[] number;
        number = new (std::nothrow) int;
        delete number;
    }
    std::printf("%lu %lu\n", drawn - drawn_before, freed - freed_before);
    return std::fflush(stdout) == 0 ? 7 : 1;
}

// C++ allocation when nothing is left but the arena.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <sys/resource.h>

#include <arenashim/scope.h>

static void *volatile eaten;

static void eat_everything()
{
    struct rlimit none = {1, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &none);
    for (std::size_t size = 1 << 20; size >= 16; size /= 2)
        while ((eaten = std::malloc(size)))
            continue;
}

static int fails()
{
    try {
        volatile std::size_t size = 5000;
        eaten = new char[size];
    } catch (const std::bad_alloc &) {
        return new (std::nothrow) char[5000] == nullptr;
    }
    return 0;
}

int main()
{
    std::puts("begin");
    arenashim::scope guard{"last"};
    arena_scope_pause();
    eat_everything();
    int outside = fails();
    arena_scope_resume();
    int inside = fails();
    std::printf("fails outside %d, inside %d\n", outside, inside);
    std::fflush(stdout);
    return 0;
}

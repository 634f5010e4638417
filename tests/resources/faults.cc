// operator new without memory, in a scope and out of any.
#include <cstdio>
#include <new>

#include <arenashim/scope.h>

static int thrown;

static void ask()
{
    volatile std::size_t size = static_cast<std::size_t>(1) << 62;
    try {
        delete[] new char[size];
    } catch (const std::bad_alloc &) {
        thrown++;
    }
}

int main()
{
    ask();
    {
        arenashim::scope guard{"new"};
        delete new int;
        ask();
    }
    std::printf("thrown %d\n", thrown);
    return 0;
}

// C++ exceptions through wrapped calls. The functions in the namespace `calls` are wrapped.
#include <csignal>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "expect.h"

#define WRAPPED __attribute__((noinline))

namespace calls {

struct Guard {
    explicit Guard(int &count) : count(count)
    {
        count++;
    }
    ~Guard()
    {
        EXPECT(filled(block, 50, 3));
        free(block);
        count--;
    }
    Guard(const Guard &) = delete;
    int &count;
    void *block = fresh();

    static void *fresh()
    {
        void *block = opaque(malloc(50));
        fill(block, 50, 3);
        EXPECT(arena_scope_active());
        return block;
    }
};

static int guards;

// Throws from `depth` calls further down.
template <typename Number>
WRAPPED Number thrower(Number depth)
{
    Guard guard(guards);
    if (depth > 0)
        return thrower(depth - 1) + 1;
    throw std::runtime_error(std::string(100, 'x'));
}

WRAPPED int catcher(int depth)
{
    try {
        return thrower(depth);
    } catch (const std::runtime_error &error) {
        return (int)std::string(error.what()).size();
    }
}

WRAPPED int rethrower(int depth)
{
    try {
        return thrower(depth);
    } catch (...) {
        Guard guard(guards);
        throw;
    }
}

struct Walker {
    WRAPPED virtual int walk(std::vector<int> steps, double, int, int, int, int, int, int last)
    {
        Guard guard(guards);
        return (int)steps.size() + thrower(last);
    }
    virtual ~Walker() = default;
};

} // namespace calls

static int caught(int (*function)(int), int depth)
{
    try {
        function(depth);
    } catch (const std::runtime_error &error) {
        EXPECT(std::string(error.what()).size() == 100);
        return 1;
    }
    return 0;
}

// By the caller of the outermost frame, in between, again and again; by a thread.
static void throws()
{
    for (int depth = 0; depth < 30; depth++) {
        EXPECT(caught(calls::thrower<int>, depth));
        EXPECT(calls::catcher(depth) == 100);
        EXPECT(caught(calls::rethrower, depth));
        EXPECT(!arena_scope_active() && calls::guards == 0);
    }
    std::thread([] { EXPECT(caught(calls::rethrower, 3)); }).join();
}

static void throws_through_methods()
{
    calls::Walker walker;
    for (int i = 0; i < 20; i++) {
        try {
            walker.walk({1, 2, 3}, 0.5, 1, 2, 3, 4, 5, 1);
            EXPECT(false);
        } catch (std::exception &) {
            EXPECT(!arena_scope_active() && calls::guards == 0);
        }
    }
}

// An exception that is kept, and thrown once more when its scopes are gone.
static void keeps_an_exception()
{
    std::exception_ptr kept;
    try {
        calls::thrower(4L);
    } catch (...) {
        kept = std::current_exception();
    }
    EXPECT(calls::catcher(2) == 100);
    try {
        std::rethrow_exception(kept);
    } catch (const std::runtime_error &error) {
        EXPECT(std::string(error.what()) == std::string(100, 'x'));
    }
}

// Nobody catches it.
static void terminates()
{
    std::set_terminate([] { std::exit(expect_failures ? 1 : 0); });
    calls::thrower(2);
}

static const struct test_case cases[] = {
    {"throws", throws},
    {"throws_through_methods", throws_through_methods},
    {"keeps_an_exception", keeps_an_exception},
    {"terminates", terminates},
};

int main(int argc, char **argv)
{
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

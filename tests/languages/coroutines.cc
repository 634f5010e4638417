// Scopes that are held across the suspension of a coroutine: what the shim says of them.
#include <coroutine>
#include <exception>
#include <thread>

#include "expect.h"

struct task {
    struct promise_type {
        task get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept
        {
            return {};
        }
        std::suspend_always final_suspend() noexcept
        {
            return {};
        }
        void return_void()
        {
        }
        void unhandled_exception()
        {
            std::terminate();
        }
    };
    std::coroutine_handle<promise_type> handle;
    ~task()
    {
        handle.destroy();
    }
};

static char *draw(int seed)
{
    char *block = static_cast<char *>(opaque(malloc(100)));
    memset(block, seed, 100);
    return block;
}

// Begins in one resume, ends in the next.
static task holds_scope(const char *label)
{
    arenashim::scope guard{label};
    draw(1);
    co_await std::suspend_always{};
}

// The way that is right: no scope is open where the coroutine waits.
static task ends_before()
{
    for (int i = 0; i < 3; i++) {
        {
            arenashim::scope guard{"piece"};
            free(draw(i));
        }
        co_await std::suspend_always{};
    }
}

static task retains()
{
    static const arena_scope_site site = {"retains", __FILE__, __LINE__, ARENA_SCOPE_RETAINS};
    arenashim::scope guard{&site};
    draw(3);
    co_await std::suspend_always{};
}

// As from a scheduler, whose calls lie elsewhere on the stack.
__attribute__((noinline)) static task from_deep_down(const char *label)
{
    volatile char frame[4096];
    frame[0] = 0;
    return frame[0] == 0 ? holds_scope(label) : ends_before();
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "other_thread") == 0) {
        task one = holds_scope("one");
        std::thread([&] { one.handle.resume(); }).join();
    } else if (strcmp(name, "held") == 0) {
        task one = from_deep_down("one");
        draw(2);
        one.handle.resume();
    } else if (strcmp(name, "crossed") == 0) {
        task one = holds_scope("one");
        task two = holds_scope("two");
        one.handle.resume();
        two.handle.resume();
    } else if (strcmp(name, "ends_before") == 0) {
        task one = ends_before();
        task two = ends_before();
        while (!one.handle.done() && !two.handle.done()) {
            one.handle.resume();
            two.handle.resume();
        }
    } else if (strcmp(name, "retains") == 0) {
        task one = retains();
        char *block = draw(2);
        one.handle.resume();
        arenashim::scope guard{"next"};
        draw(4);
        EXPECT(block[0] == 2 && block[99] == 2);
        free(block);
    }
    return expect_failures != 0;
}

/*
 * Scopes, C++ exceptions and coroutines: control CASE, when the compiler has coroutines.
 */
#include <coroutine>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "expect.h"

namespace {

/* ---- exceptions --------------------------------------------------------------------------------
 */

struct number_error {
    int number;
    char text[200];
};

/* Throws out of `depth` nested scopes, every third of them paused, by guard or by macro. */
void dive(int depth)
{
    arenashim::scope guard{"dive"};
    std::vector<int> own(300, depth);
    opaque(own.data());
    if (depth == 0) {
        number_error error = {17, "seventeen"};
        throw error;
    }
    if (depth % 3 == 0) {
        ARENA_SCOPE_PAUSED
        dive(depth - 1);
    } else if (depth % 3 == 1) {
        ARENA_SCOPE("macro")
            dive(depth - 1);
    } else {
        try {
            dive(depth - 1);
        } catch (number_error &error) {
            EXPECT(error.number == 17);
            error.number = 17;
            throw;
        }
    }
}

void exceptions()
{
    for (int round = 0; round < 100; round++) {
        ARENA_SCOPE("outer") {
            std::vector<int> own(100, 4711);
            EXPECT(in_arena(own.data()));
            try {
                dive(round % 40);
                EXPECT(false);
            } catch (const number_error &error) {
                /* The object is the run-time library's and outlives the scopes it left. */
                EXPECT(error.number == 17 && std::string(error.text) == "seventeen");
            }
            EXPECT(arena_scope_active() == 1 && own[99] == 4711);
            EXPECT(in_arena(opaque(std::malloc(10))));
        }
        EXPECT(arena_scope_active() == 0);
    }
}

/* An exception pointer outlives all scopes; the exception is rethrown in another thread. */
void exception_in_another_thread()
{
    std::exception_ptr caught;
    ARENA_SCOPE("thrower") {
        try {
            number_error error = {18, "eighteen"};
            throw error;
        } catch (...) {
            caught = std::current_exception();
        }
    }
    std::thread thread([&caught] {
        ARENA_SCOPE("catcher") {
            try {
                std::rethrow_exception(caught);
            } catch (const number_error &error) {
                EXPECT(error.number == 18 && std::string(error.text) == "eighteen");
            }
            EXPECT(in_arena(opaque(std::malloc(10))));
        }
    });
    thread.join();
}

/* ---- coroutines --------------------------------------------------------------------------------
 */

struct task {
    struct promise_type {
        task get_return_object()
        {
            return task{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept
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

    explicit task(std::coroutine_handle<promise_type> made) : handle(made)
    {
    }
    task(task &&other) : handle(std::exchange(other.handle, nullptr))
    {
    }
    ~task()
    {
        if (handle)
            handle.destroy();
    }
};

/* Every scope ends before the next suspension. */
task well_behaved(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        {
            arenashim::scope guard{"coroutine"};
            std::vector<int> own(100, i);
            EXPECT(in_arena(own.data()) && own[99] == i);
        }
        co_await std::suspend_always{};
    }
}

/* Coroutine frames are made outside scopes; many take turns, in scopes of whoever resumes them. */
void coroutines_that_nest()
{
    std::vector<task> tasks;
    for (int i = 0; i < 20; i++)
        tasks.push_back(well_behaved(10));
    for (int round = 0; round < 10; round++) {
        ARENA_SCOPE("resumer") {
            std::vector<int> own(100, round);
            for (auto &task : tasks)
                task.handle.resume();
            EXPECT(own[99] == round && arena_scope_active() == 1);
        }
        EXPECT(arena_scope_active() == 0);
    }
}

/* Suspended inside its scope. */
task straddling(int *block)
{
    arenashim::scope guard{"straddling"};
    block[0] = 1;
    opaque(std::malloc(100));
    co_await std::suspend_always{};
    block[0] = 2;
}

/* Two coroutines whose scopes overlap: the end of the first closes both, and the second's is
 * refused. */
void coroutines_that_cross()
{
    int seen[2] = {0, 0};
    {
        task first = straddling(&seen[0]);
        task second = straddling(&seen[1]);
        first.handle.resume();
        second.handle.resume();
        EXPECT(arena_scope_active() == 1);
        ARENA_SCOPE("within") {
            EXPECT(in_arena(opaque(std::malloc(10))));
        }
        first.handle.resume();
        EXPECT(arena_scope_active() == 0);
        second.handle.resume();
        EXPECT(seen[0] == 2 && seen[1] == 2);
    }
    ARENA_SCOPE("afterwards") {
        EXPECT(in_arena(opaque(std::malloc(10))));
    }
    EXPECT(arena_scope_active() == 0);
}

} // namespace

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"exceptions", exceptions},
        {"exception_in_another_thread", exception_in_another_thread},
        {"coroutines_that_nest", coroutines_that_nest},
        {"coroutines_that_cross", coroutines_that_cross},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

/* thread_local objects whose destructors allocate, free and begin scopes while the thread exits. */
#include <string>
#include <thread>
#include <vector>

#include "expect.h"

namespace {

struct keeper {
    std::vector<std::string> words;
    void *scope_memory = nullptr;

    ~keeper()
    {
        words.emplace_back(200, 'y');
        EXPECT(words.size() == 4 && words[0] == std::string(100, 'x'));
        std::free(scope_memory);
        ARENA_SCOPE("in a destructor") {
            std::vector<int> numbers(100, 7);
            EXPECT(numbers[99] == 7);
            opaque(numbers.data());
        }
    }
};

thread_local keeper kept;

void work(int number)
{
    /* Made before, in and after a scope; the object itself belongs to no scope. */
    kept.words.reserve(10);
    kept.words.emplace_back(100, 'x');
    ARENA_SCOPE("in a thread") {
        std::vector<std::string> own(10, std::string(100, 'z'));
        EXPECT(in_arena(own.data()));
        ARENA_SCOPE_PAUSED
        {
            kept.words.emplace_back(100, 'p');
        }
        kept.scope_memory = opaque(std::malloc(100));
        if (number % 2)
            arena_scope_begin(nullptr);
    }
    kept.words.emplace_back(100, 'q');
    if (number % 3 == 0)
        arena_scope_begin(nullptr);
}

} // namespace

int main()
{
    arena_learn();
    for (int round = 0; round < 50; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 6; i++)
            threads.emplace_back(work, i);
        for (auto &thread : threads)
            thread.join();
    }
    std::puts("works");
    return expect_failures > 0;
}

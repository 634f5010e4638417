/*
 * What the C++ run-time library keeps for itself stays out of the arenas: locales, streams,
 * exceptions. Begun in a scope, used after it. One case per run.
 */
#include <cstring>
#include <exception>
#include <functional>
#include <iomanip>
#include <iostream>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "expect.h"

namespace {

void overwrite_arena()
{
    ARENA_SCOPE("overwrite") {
        for (int i = 0; i < 8; i++)
            std::memset(opaque(std::malloc(100000)), 0xa5, 100000);
    }
}

/* Named locales are made by the library; a facet made by the program would be its own memory. */
void locales()
{
    std::locale kept;
    std::ostringstream text;
    ARENA_SCOPE("locales") {
        EXPECT(!arena_first || in_arena(opaque(std::malloc(1))));
        kept = std::locale("C.UTF-8");
        std::locale::global(kept);
        std::cout.imbue(kept);
        std::cout << 1.5 << '\n';
        text.imbue(std::locale("C.UTF-8"));
        text.width(30);
        text << 2.5;
    }
    overwrite_arena();
    text << std::setw(1000) << 3.5;
    EXPECT(text.str().size() == 1030);
    std::cout << 3.5 << '\n';
    std::locale::global(std::locale::classic());
    overwrite_arena();
    EXPECT(kept.name() == "C.UTF-8" && std::isalpha('x', kept));
    std::cout.imbue(std::locale::classic());
    std::cout << 4.5 << std::endl;
}

/* The exception object is the run-time library's, thrown through the mark and kept after it. */
void exceptions()
{
    std::exception_ptr kept;
    try {
        ARENA_SCOPE("throwing") {
            EXPECT(!arena_first || in_arena(opaque(std::malloc(1))));
            throw 4711;
        }
    } catch (...) {
        kept = std::current_exception();
    }
    overwrite_arena();
    try {
        std::rethrow_exception(kept);
    } catch (int number) {
        EXPECT(number == 4711);
    }
}

void threads()
{
    std::thread worker;
    int result = 0;
    std::function<void()> task = [&result] {
        std::ostringstream text;
        text << "made in a thread of its own " << 4711;
        result = int(text.str().size());
    };
    ARENA_SCOPE("threads") {
        EXPECT(!arena_first || in_arena(opaque(std::malloc(1))));
        ARENA_SCOPE_PAUSED
        {
            worker = std::thread(task);
        }
    }
    overwrite_arena();
    worker.join();
    EXPECT(result == 32);
}

} // namespace

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"locales", locales},
        {"exceptions", exceptions},
        {"threads", threads},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

/*
 * Exceptions that leave marked scopes, in programs of which the C++ run-time library may be a part:
 * what was thrown is whole when it is caught, whatever is drawn in scopes meanwhile, and later
 * scopes serve again. One case per run.
 */
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "expect.h"

namespace {

__attribute__((noinline)) void overwrite()
{
    ARENA_SCOPE("overwrites") {
        for (int i = 0; i < 20; i++) {
            char *block = static_cast<char *>(opaque(std::malloc(500)));
            EXPECT(in_arena(block));
            std::memset(block, 'Z', 500);
        }
    }
}

__attribute__((noinline)) void fail()
{
    ARENA_SCOPE_HERE("fails");
    EXPECT(in_arena(opaque(std::malloc(8))));
    throw std::runtime_error("the reason why this could not be done");
}

bool is_whole(const std::exception &exception)
{
    return std::strcmp(exception.what(), "the reason why this could not be done") == 0;
}

void left_by_exception()
{
    for (int i = 0; i < 100; i++) {
        try {
            fail();
        } catch (const std::exception &exception) {
            overwrite();
            EXPECT(is_whole(exception));
        }
    }
}

void left_from_the_middle()
{
    ARENA_SCOPE("outer") {
        char *before = static_cast<char *>(opaque(std::malloc(100)));
        fill(before, 100, 7);
        for (int i = 0; i < 10; i++) {
            try {
                ARENA_SCOPE_HERE("middle");
                opaque(std::malloc(30));
                fail();
            } catch (const std::exception &exception) {
                EXPECT(in_arena(opaque(std::malloc(500))));
                overwrite();
                EXPECT(is_whole(exception));
            }
        }
        EXPECT(filled(before, 100, 7));
    }
}

/* Kept beyond the scope, and thrown again by objects of their own. */
void kept()
{
    std::exception_ptr pointer;
    {
        ARENA_SCOPE_HERE("kept");
        opaque(std::malloc(8));
        try {
            fail();
        } catch (...) {
            pointer = std::current_exception();
        }
    }
    for (int i = 0; i < 10; i++) {
        overwrite();
        try {
            ARENA_SCOPE_HERE("again");
            opaque(std::malloc(8));
            std::rethrow_exception(pointer);
        } catch (const std::exception &exception) {
            overwrite();
            EXPECT(is_whole(exception));
        }
    }
}

/* Scopes that begin and end while the exception is being made. */
std::string reason()
{
    ARENA_SCOPE("reason") {
        opaque(std::malloc(100));
    }
    return "the reason why this could not be done";
}

void made_in_scopes()
{
    for (int i = 0; i < 100; i++) {
        try {
            ARENA_SCOPE_HERE("fails");
            opaque(std::malloc(8));
            throw std::runtime_error(reason());
        } catch (const std::exception &exception) {
            overwrite();
            EXPECT(is_whole(exception));
        }
    }
}

/* Caught in the scope: its memory stays as it is to its end. */
void caught_inside()
{
    for (int i = 0; i < 10; i++) {
        ARENA_SCOPE("catches") {
            char *before = static_cast<char *>(opaque(std::malloc(100)));
            EXPECT(in_arena(before));
            fill(before, 100, 8);
            try {
                throw std::runtime_error("the reason why this could not be done");
            } catch (const std::exception &exception) {
                opaque(std::malloc(500));
                EXPECT(is_whole(exception));
            }
            std::free(opaque(std::malloc(10)));
            EXPECT(filled(before, 100, 8));
            std::free(before);
        }
        overwrite();
    }
}

} // namespace

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"left_by_exception", left_by_exception},
        {"left_from_the_middle", left_from_the_middle},
        {"kept", kept},
        {"made_in_scopes", made_in_scopes},
        {"caught_inside", caught_inside},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

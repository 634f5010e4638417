// Blocks of a program in C++: operators, exceptions, and what they unwind.
#include "expect.h"

#include <memory>
#include <vector>

#define APART __attribute__((noinline))

APART static void user()
{
    std::unique_ptr<int> one(new int(1));
    opaque(one.get());
}

APART static void thrower()
{
    throw 1;
}

APART static void unwound()
{
    std::vector<char> bytes(200);
    opaque(bytes.data());
    thrower();
}

APART static void catcher()
{
    try {
        unwound();
    } catch (int) {
    }
}

int main()
{
    for (int i = 0; i < 100; i++) {
        user();
        catcher();
    }
}

/*
 * Sizes and alignments for operator new whose sum wraps, in a scope, in a pause and outside: the
 * throwing variants throw, the others return nullptr, and the arena stays as it was.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "expect.h"

namespace {

const std::size_t half = std::size_t(PTRDIFF_MAX) + 1;
const std::size_t sizes[] = {
    SIZE_MAX,        SIZE_MAX - 7,     SIZE_MAX - 15,   SIZE_MAX - 62, SIZE_MAX - 63,
    SIZE_MAX - 64,   SIZE_MAX - 4095,  half + 1,        half,          PTRDIFF_MAX,
    PTRDIFF_MAX - 7, PTRDIFF_MAX - 16, PTRDIFF_MAX - 63};
const std::size_t alignments[] = {8, 16, 64, 4096, half >> 1, half};

std::size_t step;
unsigned refused;

char *probe()
{
    return static_cast<char *>(arena_scope_active() ? opaque(std::malloc(16)) : nullptr);
}

void expect_step(char *before, char *after)
{
    EXPECT(std::size_t(after - before) == step);
    std::free(after);
    std::free(before);
}

template <class Allocate>
void refuse(Allocate allocate, bool throws)
{
    char *before = probe();
    void *block = nullptr;
    bool thrown = false;
    try {
        block = opaque(allocate());
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    char *after = probe();
    EXPECT(!block && thrown == throws);
    expect_step(before, after);
    refused++;
}

void refuse_aligned(std::size_t size, std::size_t alignment)
{
    const std::align_val_t align{alignment};
    refuse([=] { return ::operator new(size, align); }, true);
    refuse([=] { return ::operator new[](size, align); }, true);
    refuse([=] { return ::operator new(size, align, std::nothrow); }, false);
    refuse([=] { return ::operator new[](size, align, std::nothrow); }, false);
}

void refuse_all()
{
    char *first = probe();
    char *second = probe();
    step = std::size_t(second - first);
    std::free(second);
    std::free(first);
    for (std::size_t size : sizes) {
        size = opaque_size(size);
        refuse([=] { return ::operator new(size); }, true);
        refuse([=] { return ::operator new[](size); }, true);
        refuse([=] { return ::operator new(size, std::nothrow); }, false);
        refuse([=] { return ::operator new[](size, std::nothrow); }, false);
        /* Outside scopes the C library may add the largest alignment without a look. */
        for (std::size_t alignment : alignments)
            if (arena_scope_active() || alignment < half)
                refuse_aligned(size, alignment);
    }
    for (std::size_t size : sizes)
        refuse_aligned(opaque_size(size), opaque_size(3));
    refuse_aligned(opaque_size(1), opaque_size(half >> 1));
    refuse_aligned(opaque_size(1), opaque_size(half));
}

void in_scope()
{
    ARENA_SCOPE("sizes") {
        refuse_all();
    }
}

void in_pause()
{
    ARENA_SCOPE("sizes") {
        EXPECT(in_arena(opaque(std::malloc(1))));
        ARENA_SCOPE_PAUSED
        {
            refuse_all();
        }
    }
}

void outside()
{
    ARENA_SCOPE("before") {
        EXPECT(in_arena(opaque(std::malloc(1))));
    }
    refuse_all();
}

} // namespace

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"in_scope", in_scope},
        {"in_pause", in_pause},
        {"outside", outside},
    };
    arena_learn();
    int status = run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
    if (argc == 2)
        std::printf("%u refused\n", refused);
    return status;
}

/*
 * A program, or a library, that replaces some of the operators, as the standard allows: each puts a
 * prefix before its blocks, by which it knows them again, and counts them. Prints which of them
 * each form of new and delete comes to; that is the same with and without the shim.
 *
 *   PLAIN, ARRAYS, ALIGNED   which pairs are replaced
 *   MARKED                   all of it is done in a marked scope
 *   PART                     1: the operators alone, 2: what uses them alone
 *   EARLY                    a library whose constructor uses them, before the program's main
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <arenashim/scope.h>

#ifndef PART
#define PART 3
#endif

enum { PLAIN_NEW, PLAIN_DELETE, ARRAY_NEW, ARRAY_DELETE, ALIGNED_NEW, ALIGNED_DELETE, KINDS };
extern "C" int counts[KINDS];

#if PART & 1
int counts[KINDS];

constexpr std::size_t prefix = 64;
constexpr std::uint64_t magic[] = {0x706c61696e, 0x6172726179, 0x616c69676e};

static void *draw(std::size_t size, std::size_t alignment, int kind)
{
    if (size > SIZE_MAX / 4)
        throw std::bad_alloc();
    auto *start =
        static_cast<char *>(std::aligned_alloc(alignment, (size + 2 * prefix) & ~(prefix - 1)));
    if (!start)
        throw std::bad_alloc();
    counts[kind]++;
    *reinterpret_cast<std::uint64_t *>(start) = magic[kind / 2];
    return start + prefix;
}

static void give_back(void *block, int kind)
{
    if (!block)
        return;
    char *start = static_cast<char *>(block) - prefix;
    if (*reinterpret_cast<std::uint64_t *>(start) != magic[kind / 2]) {
        std::puts("not a block of this operator");
        std::fflush(stdout);
        _Exit(1);
    }
    counts[kind]++;
    std::free(start);
}

#ifdef PLAIN
void *operator new(std::size_t size)
{
    return draw(size, 16, PLAIN_NEW);
}

void operator delete(void *block) noexcept
{
    give_back(block, PLAIN_DELETE);
}
#endif

#ifdef ARRAYS
void *operator new[](std::size_t size)
{
    return draw(size, 16, ARRAY_NEW);
}

void operator delete[](void *block) noexcept
{
    give_back(block, ARRAY_DELETE);
}
#endif

#ifdef ALIGNED
void *operator new(std::size_t size, std::align_val_t alignment)
{
    return draw(size, std::size_t(alignment), ALIGNED_NEW);
}

void operator delete(void *block, std::align_val_t) noexcept
{
    give_back(block, ALIGNED_DELETE);
}
#endif
#endif

#if PART & 2
namespace {

constexpr std::align_val_t wide{64};

/* Each form of new with the forms of delete that fit it. */
void *draw_by(int form, std::size_t size)
{
    switch (form) {
    case 0:
        return ::operator new(size);
    case 1:
        return ::operator new(size, std::nothrow);
    case 2:
        return ::operator new[](size);
    case 3:
        return ::operator new[](size, std::nothrow);
    case 4:
        return ::operator new(size, wide);
    case 5:
        return ::operator new(size, wide, std::nothrow);
    case 6:
        return ::operator new[](size, wide);
    default:
        return ::operator new[](size, wide, std::nothrow);
    }
}

void give_back_by(int form, int way, void *block, std::size_t size)
{
    switch (form / 2 * 3 + way) {
    case 0:
        return ::operator delete(block);
    case 1:
        return ::operator delete(block, size);
    case 2:
        return ::operator delete(block, std::nothrow);
    case 3:
        return ::operator delete[](block);
    case 4:
        return ::operator delete[](block, size);
    case 5:
        return ::operator delete[](block, std::nothrow);
    case 6:
        return ::operator delete(block, wide);
    case 7:
        return ::operator delete(block, size, wide);
    case 8:
        return ::operator delete(block, wide, std::nothrow);
    case 9:
        return ::operator delete[](block, wide);
    case 10:
        return ::operator delete[](block, size, wide);
    default:
        return ::operator delete[](block, wide, std::nothrow);
    }
}

void say(const char *what, int form, int way)
{
    std::printf("%s %d %d:", what, form, way);
    for (int i = 0; i < KINDS; i++)
        std::printf(" %d", counts[i]);
    std::putchar('\n');
}

void use_all()
{
    for (int form = 0; form < 8; form++) {
        for (int way = 0; way < 3; way++) {
            void *volatile block = draw_by(form, 100);
            say("drawn", form, way);
            give_back_by(form, way, block, 100);
            say("given back", form, way);
            give_back_by(form, way, nullptr, 100);
        }
        void *volatile none = nullptr;
        try {
            none = draw_by(form, SIZE_MAX / 3);
        } catch (const std::bad_alloc &) {
            std::puts("thrown");
        }
        say(none ? "drawn" : "nothing", form, 0);
    }
}

} // namespace

#ifdef EARLY
__attribute__((constructor)) static void early()
{
    use_all();
}
#else
extern "C" void touch_library() __attribute__((weak));

int main()
{
    if (touch_library)
        touch_library();
#ifdef MARKED
    ARENA_SCOPE("marked")
#endif
    {
        void *volatile block = std::malloc(1);
        std::free(block);
        use_all();
    }
}
#endif
#endif

/*
 * What every form of operator new does when there is no memory: it calls the program's new_handler
 * until that gives up, by taking itself away or by throwing; then it throws, or its nothrow form
 * returns null. The output is the same with and without the shim. MARKED: in a marked scope.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <arenashim/scope.h>

namespace {

int calls;

void gives_up()
{
    if (++calls == 3)
        std::set_new_handler(nullptr);
}

void throws()
{
    if (++calls == 2)
        throw std::bad_alloc();
}

/* Forms that come back while the first one is at work. */
void draws()
{
    if (++calls == 2)
        std::set_new_handler(nullptr);
    delete new int;
    delete new (std::nothrow) int;
}

constexpr std::align_val_t wide{64};

void *draw_by(int form, std::size_t size)
{
    switch (form) {
    case 0:
        return ::operator new(size);
    case 1:
        return ::operator new[](size);
    case 2:
        return ::operator new(size, wide);
    case 3:
        return ::operator new[](size, wide);
    case 4:
        return ::operator new(size, std::nothrow);
    case 5:
        return ::operator new[](size, std::nothrow);
    case 6:
        return ::operator new(size, wide, std::nothrow);
    default:
        return ::operator new[](size, wide, std::nothrow);
    }
}

void try_all(const char *name, std::new_handler handler)
{
    for (int form = 0; form < 8; form++) {
        const char *result = "null";
        calls = 0;
        std::set_new_handler(handler);
        try {
            void *volatile block = draw_by(form, std::size_t(1) << 62);
            if (block)
                result = "a block";
        } catch (const std::bad_alloc &) {
            result = "thrown";
        }
        std::printf("%s, form %d: %s, %d calls\n", name, form, result, calls);
    }
    std::set_new_handler(nullptr);
}

} // namespace

int main()
{
#ifdef MARKED
    ARENA_SCOPE("marked")
#endif
    {
        void *volatile block = std::malloc(1);
        std::free(block);
        try_all("none", nullptr);
        try_all("gives up", gives_up);
        try_all("throws", throws);
        try_all("draws", draws);
    }
}

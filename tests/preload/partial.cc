/*
 * A program that defines one function of the family itself and counts its calls: FREE, REALLOC,
 * USABLE or DELETE. It goes on by the C library's own name (LIBC), by the next definition (NEXT),
 * or by the C library's handle, past everybody (HANDLE).
 */
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <malloc.h>
#include <new>

#include <arenashim/scope.h>

extern "C" void __libc_free(void *);
extern "C" void *__libc_realloc(void *, std::size_t);

static unsigned long calls;

#ifndef LIBC
/* The look-up may itself come here: what it frees then is not worth a word. */
template <typename function>
static function *find(const char *name)
{
    static function *found;
    static bool looking;
    if (!found && !looking) {
        looking = true;
#ifdef NEXT
        void *handle = RTLD_NEXT;
#else
        void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
#endif
        found = reinterpret_cast<function *>(dlsym(handle, name));
    }
    return found;
}

static void next_free(void *block)
{
    auto *next = find<void(void *)>("free");
    if (next)
        next(block);
}

static void *next_realloc(void *block, std::size_t size)
{
    auto *next = find<void *(void *, std::size_t)>("realloc");
    return next ? next(block, size) : nullptr;
}
#define __libc_free next_free
#define __libc_realloc next_realloc
#endif

#ifdef FREE
extern "C" void free(void *block) noexcept
{
    calls++;
    __libc_free(block);
}
#endif

#ifdef REALLOC
extern "C" void *realloc(void *block, std::size_t size) noexcept
{
    calls++;
    return __libc_realloc(block, size);
}
#endif

#ifdef USABLE
extern "C" std::size_t malloc_usable_size(void *block) noexcept
{
    calls++;
    return block ? static_cast<std::size_t *>(block)[-1] - 8 & -16 : 0;
}
#endif

#ifdef DELETE
void operator delete(void *block) noexcept
{
    calls++;
    __libc_free(block);
}
#endif

int main()
{
    ARENA_SCOPE_PAUSED
    {
    } /* looks for the shim, which makes calls */
    unsigned long before = calls;
    for (int i = 0; i < 5; i++)
        ARENA_SCOPE("work") {
            void *volatile block = std::malloc(100);
            void *volatile other = std::realloc(std::malloc(100), 3000);
            if (!block || !other || malloc_usable_size(block) < 100)
                return 1;
            std::free(block);
            std::free(other);
            int *volatile number = new int;
            delete number;
            number = new int[7];
            delete[] number;
            number = new (std::nothrow) int;
            delete number;
        }
    std::printf("%lu calls\n", calls - before);
    return std::fflush(stdout) == 0 ? 7 : 2;
}

/* ARENASHIM_ALIGN=64 with ARENASHIM_OVERFLOW=fallback, for what C++ draws: in the arena or out of
 * it, each block is aligned. */
#include <cstddef>
#include <cstdint>
#include <new>

#include "expect.h"

int main()
{
    ARENA_SCOPE("aligned new") {
        for (std::size_t size = 1; size < 3 << 20; size = size * 3 + 1) {
            void *blocks[] = {::operator new(size), ::operator new[](size),
                              ::operator new(size, std::nothrow),
                              ::operator new (size, std::align_val_t{32}),
                              ::operator new (size, std::align_val_t{512})};
            for (void *block : blocks) {
                EXPECT(reinterpret_cast<std::uintptr_t>(opaque(block)) % 64 == 0);
                fill(block, size, 1);
            }
            EXPECT(reinterpret_cast<std::uintptr_t>(blocks[4]) % 512 == 0);
            for (int i = 0; i < 3; i++)
                ::operator delete(blocks[i]);
            ::operator delete (blocks[3], std::align_val_t{32});
            ::operator delete (blocks[4], std::align_val_t{512});
        }
    }
    return expect_failures > 0;
}

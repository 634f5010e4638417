// arena.h from C++11: it compiles without warnings, its functions link from libarena.a, and
// arena_alloc_array gives a pointer of the type asked for. Prints the Test Anything Protocol.

#include <cstdint>
#include <cstdio>
#include <type_traits>

#include "arenashim/arena.h"

namespace {

struct alignas(32) vector {
    float lanes[8];
};

int tests = 0;
int failures = 0;

void expect(bool holds, const char *what)
{
    failures += holds ? 0 : 1;
    std::printf("%s %d - %s\n", holds ? "ok" : "not ok", ++tests, what);
}

template <typename Item>
void expect_array(arena *from, std::size_t count)
{
    const std::size_t before = arena_remaining(from);
    auto items = arena_alloc_array(from, Item, count);
    static_assert(std::is_same<decltype(items), Item *>::value, "an array has its items' type");
    expect(items != nullptr, "an array that fits is given");
    expect(reinterpret_cast<std::uintptr_t>(items) % alignof(Item) == 0, "it is aligned");
    expect(before - arena_remaining(from) >= count * sizeof(Item), "it has room for every item");
}

void check_arrays()
{
    alignas(64) unsigned char buffer[1024];
    arena scratch;
    arena_init(&scratch, buffer, sizeof buffer);
    expect_array<char>(&scratch, 3);
    expect_array<double>(&scratch, 5);
    expect_array<vector>(&scratch, 2);
    expect_array<const char *>(&scratch, 7);
    expect(arena_alloc_array(&scratch, vector, SIZE_MAX / 16) == nullptr, "a product may overflow");
    expect(arena_overflow_count(&scratch) == 1, "which is counted");

    const arena_position position = arena_mark(&scratch);
    expect_array<vector>(&scratch, 1);
    arena_rewind(&scratch, position);
    expect(arena_mark(&scratch) == position, "a rewind goes back to the mark");
    arena_reset(&scratch);
    expect(arena_remaining(&scratch) == sizeof buffer, "a reset gives everything back");
    expect(arena_high_water(&scratch) >= position, "and keeps the high water");
    expect(arena_utilization(&scratch) <= 0.0, "which utilization does not");
}

void check_thread_arena()
{
    expect(arena_thread() != nullptr && arena_thread() == arena_thread(), "a thread has one arena");
    expect_array<vector>(arena_thread(), 100);
    expect(arena_thread_utilization() > 0.0, "which is in use now");
    arena_thread_reset();
    expect(arena_remaining(arena_thread()) == ARENA_THREAD_CAPACITY, "and empty after a reset");
}

} // namespace

int main()
{
    check_arrays();
    check_thread_arena();
    std::printf("1..%d\n", tests);
    return failures == 0 ? 0 : 1;
}

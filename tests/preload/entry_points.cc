/*
 * Every variant of operator new and delete, and what stands on them, in a scope and out of one.
 * One case per run.
 */
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "expect.h"

namespace {

constexpr std::align_val_t wide{256};

/* The 8 variants of new. The operators are called by name: a new-expression may be elided. */
void *draw(int variant, std::size_t size)
{
    switch (variant) {
    case 0:
        return ::operator new(size);
    case 1:
        return ::operator new[](size);
    case 2:
        return ::operator new(size, std::nothrow);
    case 3:
        return ::operator new[](size, std::nothrow);
    case 4:
        return ::operator new(size, wide);
    case 5:
        return ::operator new[](size, wide);
    case 6:
        return ::operator new(size, wide, std::nothrow);
    default:
        return ::operator new[](size, wide, std::nothrow);
    }
}

/* The 12 of delete: 6 for blocks with the default alignment, 6 for others. */
void give_back(int variant, void *block, std::size_t size)
{
    switch (variant) {
    case 0:
        return ::operator delete(block);
    case 1:
        return ::operator delete[](block);
    case 2:
        return ::operator delete(block, size);
    case 3:
        return ::operator delete[](block, size);
    case 4:
        return ::operator delete(block, std::nothrow);
    case 5:
        return ::operator delete[](block, std::nothrow);
    case 6:
        return ::operator delete(block, wide);
    case 7:
        return ::operator delete[](block, wide);
    case 8:
        return ::operator delete(block, size, wide);
    case 9:
        return ::operator delete[](block, size, wide);
    case 10:
        return ::operator delete(block, wide, std::nothrow);
    default:
        return ::operator delete[](block, wide, std::nothrow);
    }
}

void draw_all(bool routed)
{
    std::uintptr_t places[8 * 6];
    int n = 0;
    for (int variant = 0; variant < 8; variant++) {
        for (int way = 0; way < 6; way++) {
            std::size_t size = opaque_size(std::size_t(variant * 20 + way));
            void *block = opaque(draw(variant, size));
            EXPECT(block != nullptr && in_arena(block) == routed);
            EXPECT(reinterpret_cast<std::uintptr_t>(block) % (variant < 4 ? 16 : 256) == 0);
            fill(block, size, unsigned(n));
            void *other = opaque(draw(variant, 8));
            EXPECT(other != block);
            fill(other, 8, 99);
            EXPECT(filled(block, size, unsigned(n)));
            /* Half of them newest first, so that the cursor steps back, half the other way. */
            if (way % 2 == 0)
                give_back(variant < 4 ? way : 6 + way, other, 8);
            give_back(variant < 4 ? way : 6 + way, block, size);
            if (way % 2 != 0)
                give_back(variant < 4 ? way : 6 + way, other, 8);
            places[n++] = reinterpret_cast<std::uintptr_t>(block);
        }
    }
    EXPECT(places[0] != 0);
    for (int way = 0; way < 12; way++)
        give_back(way, nullptr, 8);
}

void operators_in_scope()
{
    ARENA_SCOPE("operators") {
        draw_all(true);
    }
}

void operators_out_of_scope()
{
    draw_all(false);
    ARENA_SCOPE("short") {
        ::operator delete(opaque(::operator new(8)));
        ARENA_SCOPE_PAUSED
        {
            draw_all(false);
        }
    }
    draw_all(false);
}

/* A block of one side given back on the other. */
void operators_across()
{
    void *blocks[8];
    for (int variant = 0; variant < 8; variant++)
        blocks[variant] = opaque(draw(variant, 100));
    ARENA_SCOPE("across") {
        for (int variant = 0; variant < 8; variant++) {
            EXPECT(!in_arena(blocks[variant]));
            give_back(variant < 4 ? variant : variant + 2, blocks[variant], 100);
            blocks[variant] = opaque(draw(variant, 100));
            EXPECT(in_arena(blocks[variant]));
        }
        ARENA_SCOPE_PAUSED
        {
            for (int variant = 0; variant < 4; variant++)
                give_back(variant, blocks[variant], 100);
        }
    }
    for (int variant = 4; variant < 8; variant++)
        give_back(variant + 2, blocks[variant], 100);
}

/* With new_lib.cc behind the shim: what is not routed goes to its operators, one for one, and what
 * is routed never does. */
extern "C" int new_calls __attribute__((weak)), delete_calls __attribute__((weak));

void replaced_operators()
{
    if (!&new_calls)
        return;
    new_calls = delete_calls = 0;
    draw_all(false);
    /* Two blocks for each of 6 ways and 8 variants. The 12 null deletes may go there as well. */
    EXPECT(new_calls == 96 && delete_calls >= 96);
    new_calls = delete_calls = 0;
    ARENA_SCOPE("replaced") {
        draw_all(true);
    }
    EXPECT(new_calls == 0 && delete_calls <= 12);
}

/* Containers allocate from inlined code, so in the program's own module. */
void containers()
{
    long sum = 0;
    ARENA_SCOPE("containers") {
        std::vector<int> numbers;
        for (int i = 0; i < 1000; i++)
            numbers.push_back(i);
        EXPECT(in_arena(numbers.data()));
        for (int number : numbers)
            sum += number;
        std::map<int, std::vector<long>> map;
        for (int i = 0; i < 100; i++)
            map[i % 10].push_back(i);
        EXPECT(in_arena(&map[3]) && in_arena(map[3].data()) && map[3].size() == 10);
        std::vector<std::string> words(10, std::string(100, 'x'));
        std::sort(words.begin(), words.end());
        EXPECT(in_arena(words.data()) && words[9].size() == 100);
        auto shared = std::make_shared<std::vector<int>>(numbers);
        EXPECT(in_arena(shared.get()) && shared->size() == 1000);
        struct alignas(128) wide_type {
            char bytes[128];
        };
        std::unique_ptr<wide_type> wide_one(new wide_type);
        EXPECT(in_arena(wide_one.get()));
        EXPECT(reinterpret_cast<std::uintptr_t>(wide_one.get()) % 128 == 0);
    }
    EXPECT(sum == 499500);
}

/* What cannot be had throws, or is null, as the variant says. libstdc++ rounds aligned sizes up
 * past SIZE_MAX to a small number; that is its business out of scope, and no part of a scope. */
void impossible(bool in_scope)
{
    int caught = 0;
    for (int variant = 0; variant < 8; variant++) {
        bool nothrow = variant == 2 || variant == 3 || variant == 6 || variant == 7;
        for (std::size_t size : {SIZE_MAX / 2 + 1, SIZE_MAX - 300, SIZE_MAX}) {
            if (variant >= 4 && size > SIZE_MAX / 2 + 1 && !in_scope)
                continue;
            try {
                void *block = opaque(draw(variant, opaque_size(size)));
                EXPECT(nothrow && block == nullptr);
            } catch (const std::bad_alloc &) {
                EXPECT(!nothrow);
                caught++;
            }
        }
    }
    EXPECT(caught == (in_scope ? 12 : 8));
    caught = 0;
    try {
        std::vector<int> numbers;
        numbers.reserve(numbers.max_size() / 2);
        EXPECT(!"reserved");
    } catch (const std::bad_alloc &) {
        caught++;
    }
    EXPECT(caught == 1);
}

void impossible_in_scope()
{
    ARENA_SCOPE("impossible") {
        void *before = opaque(::operator new(1));
        ::operator delete(before);
        impossible(true);
        EXPECT(opaque(::operator new(1)) == before);
    }
}

void impossible_out_of_scope()
{
    impossible(false);
}

/* A constructor that throws gives its memory back. */
struct thrower {
    thrower()
    {
        throw 4711;
    }
    long room[8];
};

void throwing_constructor()
{
    ARENA_SCOPE("thrower") {
        void *before = opaque(::operator new(1));
        ::operator delete(before);
        try {
            opaque(new thrower);
            EXPECT(!"constructed");
        } catch (int number) {
            EXPECT(number == 4711);
        }
        EXPECT(opaque(::operator new(1)) == before);
    }
}

/* With ARENASHIM_OVERFLOW=error a full arena calls the program's new_handler, which may make room
 * by freeing, give up by throwing, or leave: then operator new throws. */
void *reserve;
int handled;

void release_reserve()
{
    handled++;
    if (!reserve)
        throw 4712;
    ::operator delete(reserve);
    reserve = nullptr;
}

void new_handler_case()
{
    ARENA_SCOPE("handler") {
        ::operator delete(opaque(::operator new(100000)));
        std::set_new_handler(release_reserve);
        reserve = opaque(::operator new(3 << 20 >> 2)); /* of a capacity of 1 MiB */
        void *block = opaque(::operator new(3 << 20 >> 2));
        EXPECT(handled == 1 && reserve == nullptr && in_arena(block));
        try {
            opaque(::operator new[](3 << 20 >> 2));
            EXPECT(!"served");
        } catch (int number) {
            EXPECT(number == 4712 && handled == 2);
        }
        EXPECT(::operator new(3 << 20 >> 2, std::nothrow) == nullptr &&handled == 3);
        EXPECT(::operator new(3 << 20 >> 2, wide, std::nothrow) == nullptr &&handled == 4);
        std::set_new_handler(nullptr);
        try {
            opaque(::operator new(3 << 20 >> 2));
            EXPECT(!"served");
        } catch (const std::bad_alloc &) {
            handled++;
        }
        try {
            opaque(::operator new[](3 << 20 >> 2, wide));
            EXPECT(!"served");
        } catch (const std::bad_alloc &) {
            handled++;
        }
        EXPECT(handled >= 4);
        ::operator delete(block);
        block = opaque(::operator new(3 << 20 >> 2));
        EXPECT(in_arena(block));
    }
}

} // namespace

int main(int argc, char **argv)
{
    static const test_case cases[] = {
        {"operators_in_scope", operators_in_scope},
        {"operators_out_of_scope", operators_out_of_scope},
        {"operators_across", operators_across},
        {"replaced_operators", replaced_operators},
        {"containers", containers},
        {"impossible_in_scope", impossible_in_scope},
        {"impossible_out_of_scope", impossible_out_of_scope},
        {"throwing_constructor", throwing_constructor},
        {"new_handler_case", new_handler_case},
    };
    arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}

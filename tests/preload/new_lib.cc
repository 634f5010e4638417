/* Replaces the C++ allocation operators, as allocators do, and counts the calls that come here. */
#include <cstdlib>
#include <new>

extern "C" {
int new_calls, delete_calls;
}

namespace {

void *draw(std::size_t size)
{
    new_calls++;
    return std::malloc(size);
}

void *draw(std::size_t size, std::align_val_t alignment)
{
    new_calls++;
    return std::aligned_alloc(std::size_t(alignment), size);
}

void *or_throw(void *block)
{
    if (!block)
        throw std::bad_alloc();
    return block;
}

void give_back(void *block)
{
    delete_calls++;
    std::free(block);
}

} // namespace

void *operator new(std::size_t size)
{
    return or_throw(draw(size));
}

void *operator new[](std::size_t size)
{
    return or_throw(draw(size));
}

void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
    return draw(size);
}

void *operator new[](std::size_t size, const std::nothrow_t &) noexcept
{
    return draw(size);
}

void *operator new(std::size_t size, std::align_val_t alignment)
{
    return or_throw(draw(size, alignment));
}

void *operator new[](std::size_t size, std::align_val_t alignment)
{
    return or_throw(draw(size, alignment));
}

void *operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return draw(size, alignment);
}

void *operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept
{
    return draw(size, alignment);
}

void operator delete(void *block) noexcept
{
    give_back(block);
}

void operator delete[](void *block) noexcept
{
    give_back(block);
}

void operator delete(void *block, std::size_t) noexcept
{
    give_back(block);
}

void operator delete[](void *block, std::size_t) noexcept
{
    give_back(block);
}

void operator delete(void *block, const std::nothrow_t &) noexcept
{
    give_back(block);
}

void operator delete[](void *block, const std::nothrow_t &) noexcept
{
    give_back(block);
}

void operator delete(void *block, std::align_val_t) noexcept
{
    give_back(block);
}

void operator delete[](void *block, std::align_val_t) noexcept
{
    give_back(block);
}

void operator delete(void *block, std::size_t, std::align_val_t) noexcept
{
    give_back(block);
}

void operator delete[](void *block, std::size_t, std::align_val_t) noexcept
{
    give_back(block);
}

void operator delete(void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    give_back(block);
}

void operator delete[](void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    give_back(block);
}

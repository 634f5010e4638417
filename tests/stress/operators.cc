#include "operators.h"

#include <new>

#include <arenashim/scope.h>

namespace {

void *make(enum kind kind, bool nothrow, size_t size, std::align_val_t alignment)
{
    switch (kind) {
    case KIND_NEW:
        return nothrow ? operator new(size, std::nothrow) : operator new(size);
    case KIND_NEW_ARRAY:
        return nothrow ? operator new[](size, std::nothrow) : operator new[](size);
    case KIND_NEW_ALIGNED:
        return nothrow ? operator new(size, alignment, std::nothrow) :
                       operator new(size, alignment);
    case KIND_NEW_ARRAY_ALIGNED:
        return nothrow ? operator new[](size, alignment, std::nothrow) :
                       operator new[](size, alignment);
    default:
        return nullptr;
    }
}

} // namespace

void *operators_new(enum kind kind, int nothrow, size_t size, size_t alignment)
{
    try {
        return make(kind, nothrow != 0, size, std::align_val_t(alignment));
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

/* Not `array ? operator delete[](block) : operator delete(block)`, of which clang 14 makes both. */
#define DELETE(...)                                                                                \
    do {                                                                                           \
        if (array)                                                                                 \
            operator delete[](__VA_ARGS__);                                                        \
        else                                                                                       \
            operator delete(__VA_ARGS__);                                                          \
    } while (0)

void operators_delete(enum kind kind, enum delete_form form, void *block, size_t size,
                      size_t alignment)
{
    std::align_val_t align = std::align_val_t(alignment);
    bool array = kind == KIND_NEW_ARRAY || kind == KIND_NEW_ARRAY_ALIGNED;
    if (kind == KIND_NEW || kind == KIND_NEW_ARRAY) {
        if (form == DELETE_SIZED)
            DELETE(block, size);
        else if (form == DELETE_NOTHROW)
            DELETE(block, std::nothrow);
        else
            DELETE(block);
    } else {
        if (form == DELETE_SIZED)
            DELETE(block, size, align);
        else if (form == DELETE_NOTHROW)
            DELETE(block, align, std::nothrow);
        else
            DELETE(block, align);
    }
}

void operators_scope(void (*body)(void *), void *argument, int throws)
{
    try {
        arenashim::scope guard{"guard"};
        body(argument);
        if (throws)
            throw throws;
    } catch (int) {
    }
}

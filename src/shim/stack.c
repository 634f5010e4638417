#include "shim/stack.h"
size_t named_stack_bytes(const struct named_function *function, uintptr_t arguments)
{
    (void)arguments;
    return function->stack_bytes;
}

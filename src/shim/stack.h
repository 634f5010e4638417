#ifndef SHIM_STACK_H
#define SHIM_STACK_H
#include "shim/named.h"
size_t named_stack_bytes(const struct named_function *function, uintptr_t arguments);
#endif

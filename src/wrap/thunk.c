/*
 * What the files arch/<cpu>/thunk.S know of C: where fields lie.
 */
#include "wrap/thunk.h"

_Static_assert(offsetof(struct named_function, target) == 0 &&
                   offsetof(struct named_function, stack_bytes) == 8 &&
                   offsetof(struct named_call, function) == 0 &&
                   offsetof(struct named_call, token) == 8 && sizeof(struct named_call) == 16 &&
                   offsetof(struct named_host, enter) == 0 &&
                   offsetof(struct named_host, enter_slowly) == 8 &&
                   offsetof(struct named_host, leave) == 16 &&
                   offsetof(struct named_host, leave_slowly) == 24 &&
                   offsetof(struct named_host, stack_bytes) == 32,
               "thunk.S has these numbers");

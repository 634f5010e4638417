#include "next/objects.h"

#include "base/compiler.h"
#include "next/fixed.h"
#include "next/symbol.h"

static __typeof__(&_dl_find_object) look_up(void)
{
    return (__typeof__(&_dl_find_object))next_symbol("_dl_find_object");
}

void objects_start(void)
{
    fixed.find_object = look_up();
}

int objects_find(void *address, struct dl_find_object *result)
{
    if (UNLIKELY(!fixed.find_object))
        return look_up()(address, result);
    return fixed.find_object(address, result);
}

void objects_changed(bool leaves)
{
    (void)leaves;
}

void objects_before_fork(void)
{
}

void objects_forked(void)
{
}

/* Arguments in vector registers, predicates, streaming mode. */
#include "wrap/convention.h"

#include <elf.h>

const char *convention_refuse(const struct object *object, const struct symbol *symbol)
{
    (void)object;
    return symbol->other & STO_AARCH64_VARIANT_PCS
               ? "it has a calling convention of its own (STO_AARCH64_VARIANT_PCS)"
               : NULL;
}

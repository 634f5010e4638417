#include "advise/units.h"

/* libdw finds units by a table of address ranges, which clang does not write. */
Dwarf_Die *unit_of(Dwfl_Module *module, uint64_t *address)
{
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, *address, &bias);
    if (!unit)
        while ((unit = dwfl_module_nextcu(module, unit, &bias)) &&
               dwarf_haspc(unit, *address - bias) <= 0)
            continue;
    *address -= bias;
    return unit;
}

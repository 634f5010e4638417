/*
 * The compilation unit of an address.
 */
#ifndef ADVISE_UNITS_H
#define ADVISE_UNITS_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

/* NULL when there is none. The address becomes that of the debug information. */
Dwarf_Die *unit_of(Dwfl_Module *module, uint64_t *address);

#endif

/*
 * GNU libiberty, whose headers lie in a directory of their own or, as Fedora has them, in none.
 */
#ifndef BASE_IBERTY_H
#define BASE_IBERTY_H

#ifdef HAVE_LIBIBERTY_DEMANGLE_H
#include <libiberty/demangle.h>
#include <libiberty/libiberty.h>
#else
#include <demangle.h>
#include <libiberty.h>
#endif

#endif

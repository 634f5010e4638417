/*
 * What is different on each processor: the files of arch/<cpu>, one set as the other.
 */
#ifndef WRAP_MACHINE_H
#define WRAP_MACHINE_H

#if defined __x86_64__
#include "wrap/arch/x86_64/machine.h"
#elif defined __aarch64__
#include "wrap/arch/aarch64/machine.h"
#endif

#endif

/*
 * What the fuzz targets share. A target is one entry point, which libFuzzer calls with inputs of
 * its own making, or main.c with those in the files it is given. abort() is a finding.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0. An input is whatever these bytes are; see each target for what they mean. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

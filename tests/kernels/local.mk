# Unit tests of the example kernels. For use in the top-level Makefile.am, after check_PROGRAMS and
# TESTS have been set.
#
# --wrap: lets the tests count allocations and make them fail.

check_PROGRAMS += tests/kernels/check_kernels
TESTS += tests/kernels/check_kernels
tests_kernels_check_kernels_SOURCES = tests/kernels/check_kernels.c
tests_kernels_check_kernels_CPPFLAGS = -I$(top_srcdir)/include
tests_kernels_check_kernels_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -ffp-contract=off
tests_kernels_check_kernels_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
tests_kernels_check_kernels_LDADD = examples/libkernels.a $(CHECK_LIBS) -lm

# A sanitizer brings its own malloc.
if !SANITIZERS
TESTS += tests/kernels/bench.sh
endif
EXTRA_DIST += tests/kernels/bench.sh tests/kernels/wrong_exp.c

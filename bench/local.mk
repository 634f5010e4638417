# Built with everything else, run by bench/*.sh; no part of make check.
noinst_LTLIBRARIES += bench/libempty.la
bench_libempty_la_SOURCES = bench/empty.c bench/empty.h
# A shared library that is not installed: -rpath makes libtool build one.
bench_libempty_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -shared -rpath /nowhere

# What the measured programs have in common.
noinst_LIBRARIES += bench/libsample.a
bench_libsample_a_SOURCES = bench/litter.c bench/litter.h bench/sample.c \
	bench/sample.h bench/verify.c bench/verify.h
bench_libsample_a_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE

# Where a loop of a few instructions lies in the cache lines is worth a third of its time.
aligned_loops = -falign-functions=64 -falign-loops=64

noinst_PROGRAMS += bench/hot_paths
bench_hot_paths_SOURCES = bench/hot_paths.c bench/empty.h
bench_hot_paths_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include
# The allocations are the point: none may be dropped or merged.
bench_hot_paths_CFLAGS = $(AM_CFLAGS) -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-free \
	-fno-builtin-realloc -fno-builtin-posix_memalign $(aligned_loops)
# Without a wrapper script, which would be measured, too.
bench_hot_paths_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_hot_paths_LDADD = bench/libempty.la bench/libsample.a libarena.a -lstdc++

noinst_PROGRAMS += bench/wrapped
bench_wrapped_SOURCES = bench/wrapped.c bench/empty.h
bench_wrapped_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
bench_wrapped_CFLAGS = $(bench_hot_paths_CFLAGS)
bench_wrapped_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_wrapped_LDADD = bench/libempty.la bench/libsample.a
EXTRA_DIST += bench/README.md bench/advise.sh bench/wrapped.sh

include bench/work.mk
include bench/kernels.mk
include bench/programs.mk
include bench/record.mk

# What measures the example kernels, and memory. For use in bench/local.mk.
bench_libsample_a_SOURCES += bench/resident.c bench/resident.h

noinst_PROGRAMS += bench/kernels
bench_kernels_SOURCES = bench/kernels.c
bench_kernels_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include
bench_kernels_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_kernels_LDADD = bench/libsample.a examples/librecall.a examples/libkernels.a -lm
EXTRA_DIST += bench/share.sh

noinst_PROGRAMS += bench/lasting
bench_lasting_SOURCES = bench/lasting.c
bench_lasting_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include -D_GNU_SOURCE
# The allocations are the point: none may be dropped or merged.
bench_lasting_CFLAGS = $(AM_CFLAGS) -pthread -fno-builtin-malloc -fno-builtin-free
bench_lasting_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_lasting_LDADD = bench/libsample.a

# bench/growth-NAME is bench/growth.c with bench/adapters/NAME.h, as bench/work-NAME of work.mk. Those
# adapters that have a fixed buffer are left out.
noinst_PROGRAMS += bench/growth-malloc bench/growth-shim bench/growth-shim-free \
	bench/growth-obstack bench/growth-pmr
growth_SOURCES = bench/growth.c
growth_LDADD = bench/libsample.a

bench_growth_malloc_SOURCES = $(growth_SOURCES) bench/adapters/malloc.h
bench_growth_malloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/malloc.h"'
bench_growth_malloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_malloc_LDADD = $(growth_LDADD)

bench_growth_shim_SOURCES = $(growth_SOURCES) bench/adapters/shim.h
bench_growth_shim_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/shim.h"'
bench_growth_shim_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_shim_LDADD = $(growth_LDADD)

bench_growth_shim_free_SOURCES = $(bench_growth_shim_SOURCES)
bench_growth_shim_free_CPPFLAGS = $(bench_growth_shim_CPPFLAGS) -DADAPTER_FREES
bench_growth_shim_free_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_shim_free_LDADD = $(growth_LDADD)

bench_growth_obstack_SOURCES = $(growth_SOURCES) bench/adapters/obstack.h bench/adapters/room.h
bench_growth_obstack_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/obstack.h"'
bench_growth_obstack_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_obstack_LDADD = $(growth_LDADD)

bench_growth_pmr_SOURCES = bench/growth_pmr.cc bench/adapters/pmr.h bench/adapters/room.h
bench_growth_pmr_CPPFLAGS = $(work_CPPFLAGS)
bench_growth_pmr_CXXFLAGS = $(AM_CXXFLAGS) -std=gnu++17 $(work_flags)
bench_growth_pmr_LDADD = $(growth_LDADD)

if HAVE_PEER_JEMALLOC
noinst_PROGRAMS += bench/growth-jemalloc
bench_growth_jemalloc_SOURCES = $(growth_SOURCES) bench/adapters/jemalloc.h
bench_growth_jemalloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/jemalloc.h"'
bench_growth_jemalloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_jemalloc_LDADD = $(growth_LDADD) $(JEMALLOC_LIBS)
endif

if HAVE_PEER_MIMALLOC
noinst_PROGRAMS += bench/growth-mimalloc
bench_growth_mimalloc_SOURCES = $(growth_SOURCES) bench/adapters/mimalloc.h
bench_growth_mimalloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/mimalloc.h"'
bench_growth_mimalloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_mimalloc_LDADD = $(growth_LDADD) $(MIMALLOC_LIBS)
endif

if HAVE_PEER_TALLOC
noinst_PROGRAMS += bench/growth-talloc
bench_growth_talloc_SOURCES = $(growth_SOURCES) bench/adapters/talloc.h bench/adapters/room.h
bench_growth_talloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/talloc.h"'
bench_growth_talloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_talloc_LDADD = $(growth_LDADD) $(TALLOC_LIBS)
endif

if HAVE_PEER_APR
noinst_PROGRAMS += bench/growth-apr
bench_growth_apr_SOURCES = $(growth_SOURCES) bench/adapters/apr.h
bench_growth_apr_CPPFLAGS = $(work_CPPFLAGS) $(APR_CFLAGS) -DADAPTER='"bench/adapters/apr.h"'
bench_growth_apr_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_growth_apr_LDADD = $(growth_LDADD) $(APR_LIBS)
endif

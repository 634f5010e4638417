# The interposer that only forwards, and the same work on each allocator.
noinst_LTLIBRARIES += bench/libforward.la
bench_libforward_la_SOURCES = bench/forward.c
bench_libforward_la_CPPFLAGS = -D_GNU_SOURCE
# The functions are what they are called: the compiler must not make one of another.
bench_libforward_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden -fno-builtin
bench_libforward_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -shared -rpath /nowhere

# bench/work-NAME is bench/work.c with bench/adapters/NAME.h.
noinst_PROGRAMS += bench/work-malloc bench/work-shim bench/work-shim-free bench/work-arena \
	bench/work-bump bench/work-obstack bench/work-pmr
work_SOURCES = bench/work.c
work_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include -D_GNU_SOURCE
# The allocations are the point: none may be dropped or merged.
work_flags = -pthread -fno-builtin-malloc -fno-builtin-free
work_LDADD = bench/libsample.a libarena.a

bench_work_malloc_SOURCES = $(work_SOURCES) bench/adapters/malloc.h
bench_work_malloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/malloc.h"'
bench_work_malloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_malloc_LDADD = $(work_LDADD)

bench_work_shim_SOURCES = $(work_SOURCES) bench/adapters/shim.h
bench_work_shim_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/shim.h"'
bench_work_shim_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_shim_LDADD = $(work_LDADD)

bench_work_shim_free_SOURCES = $(work_SOURCES) bench/adapters/shim.h
bench_work_shim_free_CPPFLAGS = $(bench_work_shim_CPPFLAGS) -DADAPTER_FREES
bench_work_shim_free_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_shim_free_LDADD = $(work_LDADD)

bench_work_arena_SOURCES = $(work_SOURCES) bench/adapters/arena.h bench/adapters/room.h
bench_work_arena_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/arena.h"'
bench_work_arena_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_arena_LDADD = $(work_LDADD)

bench_work_bump_SOURCES = $(work_SOURCES) bench/adapters/bump.h bench/adapters/room.h
bench_work_bump_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/bump.h"'
bench_work_bump_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_bump_LDADD = $(work_LDADD)

bench_work_obstack_SOURCES = $(work_SOURCES) bench/adapters/obstack.h bench/adapters/room.h
bench_work_obstack_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/obstack.h"'
bench_work_obstack_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_obstack_LDADD = $(work_LDADD)

bench_work_pmr_SOURCES = bench/work_pmr.cc bench/adapters/pmr.h bench/adapters/room.h
bench_work_pmr_CPPFLAGS = $(work_CPPFLAGS)
bench_work_pmr_CXXFLAGS = $(AM_CXXFLAGS) -std=gnu++17 $(work_flags)
bench_work_pmr_LDADD = $(work_LDADD)

# Those that link a peer have its malloc, too, where it brings one.
if HAVE_PEER_JEMALLOC
noinst_PROGRAMS += bench/work-jemalloc bench/work-jemalloc-mallocx
bench_work_jemalloc_SOURCES = $(work_SOURCES) bench/adapters/jemalloc.h
bench_work_jemalloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/jemalloc.h"'
bench_work_jemalloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_jemalloc_LDADD = $(work_LDADD) $(JEMALLOC_LIBS)

bench_work_jemalloc_mallocx_SOURCES = $(bench_work_jemalloc_SOURCES)
bench_work_jemalloc_mallocx_CPPFLAGS = $(bench_work_jemalloc_CPPFLAGS) -DADAPTER_MALLOCX
bench_work_jemalloc_mallocx_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_jemalloc_mallocx_LDADD = $(bench_work_jemalloc_LDADD)
endif

if HAVE_PEER_MIMALLOC
noinst_PROGRAMS += bench/work-mimalloc
bench_work_mimalloc_SOURCES = $(work_SOURCES) bench/adapters/mimalloc.h
bench_work_mimalloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/mimalloc.h"'
bench_work_mimalloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_mimalloc_LDADD = $(work_LDADD) $(MIMALLOC_LIBS)
endif

if HAVE_PEER_TALLOC
noinst_PROGRAMS += bench/work-talloc
bench_work_talloc_SOURCES = $(work_SOURCES) bench/adapters/talloc.h bench/adapters/room.h
bench_work_talloc_CPPFLAGS = $(work_CPPFLAGS) -DADAPTER='"bench/adapters/talloc.h"'
bench_work_talloc_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_talloc_LDADD = $(work_LDADD) $(TALLOC_LIBS)
endif

if HAVE_PEER_APR
noinst_PROGRAMS += bench/work-apr
bench_work_apr_SOURCES = $(work_SOURCES) bench/adapters/apr.h
bench_work_apr_CPPFLAGS = $(work_CPPFLAGS) $(APR_CFLAGS) -DADAPTER='"bench/adapters/apr.h"'
bench_work_apr_CFLAGS = $(AM_CFLAGS) $(work_flags)
bench_work_apr_LDADD = $(work_LDADD) $(APR_LIBS)
endif

EXTRA_DIST += bench/plan.sh
CLEANFILES += bench/stats.json

# The interposer that only forwards, and the same work on each allocator.
noinst_LTLIBRARIES += bench/libforward.la
bench_libforward_la_SOURCES = bench/forward.c
bench_libforward_la_CPPFLAGS = -D_GNU_SOURCE
# The functions are what they are called: the compiler must not make one of another.
bench_libforward_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden -fno-builtin
bench_libforward_la_LDFLAGS = $(AM_LDFLAGS) -avoid-version -shared -rpath /nowhere

# Watching a program for `arenashim advise`: a module of its own, loaded only then, so that the
# unwinder it needs stays out of every other process. One convenience library, linked by the module and
# by the unit tests.
noinst_LTLIBRARIES += src/watch/libwatch.la
src_watch_libwatch_la_SOURCES = \
	src/base/compiler.h \
	src/base/numbers.h \
	src/base/descriptor.c \
	src/base/descriptor.h \
	src/base/find_object.h \
	src/base/text.c \
	src/base/text.h \
	src/next/allocator.h \
	src/next/named_host.h \
	src/next/watch_host.h \
	src/watch/record.h \
	src/watch/heap.c \
	src/watch/heap.h \
	src/watch/state.c \
	src/watch/state.h \
	src/watch/tables.c \
	src/watch/tables.h \
	src/watch/backtrace.c \
	src/watch/backtrace.h \
	src/watch/sample.c \
	src/watch/sample.h \
	src/watch/activation.c \
	src/watch/activation.h \
	src/watch/wrapped.c \
	src/watch/wrapped.h \
	src/watch/prove.c \
	src/watch/prove.h \
	src/watch/calls.c \
	src/watch/calls.h
# Vector registers may hold the arguments of a wrapped call (watch/prove.c).
src_watch_libwatch_la_CFLAGS = $(shim_cflags) $(general_registers)

pkglib_LTLIBRARIES += libarenashim-watch.la
libarenashim_watch_la_SOURCES = src/watch/watch.c
libarenashim_watch_la_CFLAGS = $(shim_cflags)
libarenashim_watch_la_LIBADD = src/watch/libwatch.la
libarenashim_watch_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete $(parts_ldflags)

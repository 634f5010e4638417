# base + arena + shim in one convenience library, linked by the shim and by the unit tests. stack.c
# comes behind thread.c, whose aligned thread-local variables would leave a gap behind its own.
noinst_LTLIBRARIES += src/shim/libcore.la
src_shim_libcore_la_SOURCES = \
	include/arenashim/scope.h \
	src/base/check.c \
	src/base/check.h \
	src/base/compiler.h \
	src/base/parse.c \
	src/base/parse.h \
	src/base/text.c \
	src/base/text.h \
	src/base/track.h \
	src/shim/automatic.c \
	src/shim/automatic.h \
	src/shim/block.c \
	src/shim/block.h \
	src/shim/chunks.c \
	src/shim/chunks.h \
	src/shim/config.c \
	src/shim/config.h \
	src/shim/debug.c \
	src/shim/debug.h \
	src/shim/environment.c \
	src/shim/environment.h \
	src/shim/fixed.c \
	src/shim/fixed.h \
	src/shim/header.h \
	src/shim/learn.c \
	src/shim/learn.h \
	src/shim/misuse.c \
	src/shim/misuse.h \
	src/shim/modules.c \
	src/shim/modules.h \
	src/shim/named.c \
	src/shim/named.h \
	src/shim/next.c \
	src/shim/next.h \
	src/shim/operators.c \
	src/shim/operators.h \
	src/shim/region.c \
	src/shim/region.h \
	src/shim/report.c \
	src/shim/report.h \
	src/shim/retain.c \
	src/shim/retain.h \
	src/shim/retain_draw.c \
	src/shim/retain_free.c \
	src/shim/retain_internal.h \
	src/shim/scope.c \
	src/shim/scope.h \
	src/shim/sites.c \
	src/shim/sites.h \
	src/shim/start.c \
	src/shim/start.h \
	src/shim/stats.c \
	src/shim/stats.h \
	src/shim/thread.c \
	src/shim/thread.h \
	src/shim/stack.c \
	src/shim/stack.h
# Vector registers may hold the arguments of a wrapped call (named.h).
src_shim_libcore_la_CFLAGS = $(shim_cflags) $(general_registers)

# The compiler must not replace malloc + memset by a call of calloc, nor drop an allocation that
# nobody uses; C++ exceptions (bad_alloc, a new_handler's) pass through; counters that lie side by
# side are not worth a vector register; a function that goes on to another leaves it the return
# address, by which calls are judged, with -O1, too (-Og never does).
shim_cflags = $(AM_CFLAGS) $(coverage_flags) -fvisibility=hidden -fexceptions -ftls-model=initial-exec \
	-foptimize-sibling-calls \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free \
	-fno-tree-slp-vectorize

lib_LTLIBRARIES += libarenashim.la
libarenashim_la_SOURCES = src/preload/interpose.c src/preload/load.c
libarenashim_la_CFLAGS = $(shim_cflags)
libarenashim_la_LIBADD = src/shim/libcore.la
libarenashim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-Wl,--version-script=$(top_srcdir)/src/preload/exports.map \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--no-undefined
EXTRA_libarenashim_la_DEPENDENCIES = $(top_srcdir)/src/preload/exports.map
EXTRA_DIST += src/preload/exports.map

# The .la files serve nobody: the library is preloaded or linked by its own name, and loads its
# module (src/wrap) by its path.
install-exec-hook:
	rm -f $(DESTDIR)$(libdir)/libarenashim.la $(DESTDIR)$(pkglibdir)/libarenashim-wrap.la
uninstall-hook:
	rm -f $(DESTDIR)$(libdir)/libarenashim.so $(DESTDIR)$(pkglibdir)/libarenashim-wrap.so

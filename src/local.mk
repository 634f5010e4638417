# All layers below process/interpose.c in one convenience library, linked by the shim and by the unit
# tests; lowest first. stack.c comes behind thread.c, whose aligned thread-local variables would leave
# a gap behind its own.
noinst_LTLIBRARIES += src/libcore.la
src_libcore_la_SOURCES = \
	include/arenashim/scope.h \
	src/base/compiler.h \
	src/base/check.c \
	src/base/check.h \
	src/base/numbers.h \
	src/base/parse.c \
	src/base/parse.h \
	src/base/text.c \
	src/base/text.h \
	src/base/track.h \
	src/settings/config.c \
	src/settings/config.h \
	src/settings/table.c \
	src/settings/table.h \
	src/settings/environment.c \
	src/settings/environment.h \
	src/memory/region.c \
	src/memory/region.h \
	src/memory/chunks.c \
	src/memory/chunks.h \
	src/next/next.c \
	src/next/next.h \
	src/next/operators.c \
	src/next/operators.h \
	src/next/fixed.c \
	src/next/fixed.h \
	src/thread/sites.c \
	src/thread/sites.h \
	src/thread/misuse.c \
	src/thread/misuse.h \
	src/thread/thread.c \
	src/thread/thread.h \
	src/route/modules.c \
	src/route/modules.h \
	src/engine/header.h \
	src/engine/debug.c \
	src/engine/debug.h \
	src/engine/block.c \
	src/engine/block.h \
	src/engine/retain.c \
	src/engine/retain.h \
	src/engine/retain_draw.c \
	src/engine/retain_free.c \
	src/engine/retain_internal.h \
	src/scope/scope.c \
	src/scope/scope.h \
	src/scope/stack.c \
	src/scope/stack.h \
	src/scope/named.c \
	src/scope/named.h \
	src/scope/automatic.c \
	src/scope/automatic.h \
	src/report/stats.c \
	src/report/stats.h \
	src/report/report.c \
	src/report/report.h \
	src/process/start.c \
	src/process/start.h
# Vector registers may hold the arguments of a wrapped call (named.h).
src_libcore_la_CFLAGS = $(shim_cflags) $(general_registers)

# The compiler must not replace malloc + memset by a call of calloc, nor drop an allocation that
# nobody uses; C++ exceptions (bad_alloc, a new_handler's) pass through; counters that lie side by
# side are not worth a vector register; a function that goes on to another leaves it the return
# address, by which calls are judged, with -O1, too (-Og never does).
shim_cflags = $(AM_CFLAGS) $(coverage_flags) -fvisibility=hidden -fexceptions -ftls-model=initial-exec \
	-foptimize-sibling-calls \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free \
	-fno-tree-slp-vectorize

lib_LTLIBRARIES += libarenashim.la
libarenashim_la_SOURCES = src/process/interpose.c src/process/load.c
libarenashim_la_CFLAGS = $(shim_cflags)
libarenashim_la_LIBADD = src/libcore.la
libarenashim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared \
	-Wl,--version-script=$(top_srcdir)/src/process/exports.map \
	-Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete -Wl,--no-undefined
EXTRA_libarenashim_la_DEPENDENCIES = $(top_srcdir)/src/process/exports.map
EXTRA_DIST += src/process/exports.map

# The .la files serve nobody: the library is preloaded or linked by its own name, and loads its
# module (src/wrap) by its path.
install-exec-hook:
	rm -f $(DESTDIR)$(libdir)/libarenashim.la $(DESTDIR)$(pkglibdir)/libarenashim-wrap.la
uninstall-hook:
	rm -f $(DESTDIR)$(libdir)/libarenashim.so $(DESTDIR)$(pkglibdir)/libarenashim-wrap.so

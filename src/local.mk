# All layers below process/interpose.c in one convenience library, linked by the shim and by the unit
# tests; in the order of ARCHITECTURE.md. stack.c comes behind thread.c, whose aligned thread-local variables would leave
# a gap behind its own.
noinst_LTLIBRARIES += src/libcore.la
src_libcore_la_SOURCES = \
	include/arenashim/scope.h \
	src/base/compiler.h \
	src/base/numbers.h \
	src/base/bits.h \
	src/base/descriptor.c \
	src/base/descriptor.h \
	src/base/text.c \
	src/base/text.h \
	src/base/check.c \
	src/base/check.h \
	src/base/parse.c \
	src/base/parse.h \
	src/base/glob.c \
	src/base/glob.h \
	src/base/find_object.h \
	src/base/printable.h \
	src/base/runtimes.h \
	src/base/probe.h \
	src/base/track.h \
	src/base/page.c \
	src/base/page.h \
	src/settings/values.h \
	src/settings/rank.c \
	src/settings/rank.h \
	src/settings/table.c \
	src/settings/table.h \
	src/settings/config.c \
	src/settings/config.h \
	src/settings/environment.c \
	src/settings/environment.h \
	src/memory/layout.h \
	src/memory/wiped.c \
	src/memory/wiped.h \
	src/memory/region.c \
	src/memory/region.h \
	src/memory/pages.c \
	src/memory/pages.h \
	src/next/symbol.c \
	src/next/symbol.h \
	src/next/allocator.h \
	src/next/named_host.h \
	src/next/watch_host.h \
	src/next/operators.c \
	src/next/operators.h \
	src/next/fixed.h \
	src/next/next.c \
	src/next/next.h \
	src/next/objects.h \
	src/next/part.c \
	src/next/part.h \
	src/route/thrower.c \
	src/route/thrower.h \
	src/route/modules.c \
	src/route/modules.h \
	src/thread/hot.h \
	src/thread/frame.h \
	src/thread/heap.h \
	src/thread/sites.c \
	src/thread/sites.h \
	src/thread/misuse.c \
	src/thread/misuse.h \
	src/thread/thread.c \
	src/thread/thread.h \
	src/thread/records.c \
	src/thread/records.h \
	src/thread/gate.h \
	src/thread/settle.c \
	src/thread/settle.h \
	src/engine/request.h \
	src/engine/header.h \
	src/engine/frees.c \
	src/engine/frees.h \
	src/engine/overflow.c \
	src/engine/routing.c \
	src/engine/retain.h \
	src/engine/debug.c \
	src/engine/debug.h \
	src/engine/drop.h \
	src/engine/trace.c \
	src/engine/trace.h \
	src/engine/looks.c \
	src/engine/looks.h \
	src/engine/drop_sweep.c \
	src/engine/drop_draw.c \
	src/engine/drop_free.c \
	src/engine/retain_heap.h \
	src/engine/retain_room.c \
	src/engine/retain_free.c \
	src/engine/retain_verify.c \
	src/engine/retain_sweep.c \
	src/engine/retain_end.c \
	src/engine/retain_large.c \
	src/engine/retain_draw.c \
	src/engine/retain_resize.c \
	src/engine/block.c \
	src/engine/block.h \
	src/engine/trim.c \
	src/engine/trim.h \
	src/scope/token.h \
	src/scope/open.c \
	src/scope/open.h \
	src/scope/stack.c \
	src/scope/stack.h \
	src/scope/close.c \
	src/scope/close.h \
	src/scope/process.c \
	src/scope/process.h \
	src/scope/automatic.c \
	src/scope/automatic.h \
	src/scope/calls.c \
	src/scope/calls.h \
	src/scope/named.c \
	src/scope/named.h \
	src/scope/watched.c \
	src/scope/watched.h \
	src/report/stats.c \
	src/report/stats.h \
	src/report/output.c \
	src/report/output.h \
	src/report/json.c \
	src/report/json.h \
	src/report/report.c \
	src/report/report.h \
	src/process/life.c \
	src/process/life.h \
	src/process/start.c \
	src/process/start.h \
	src/process/marks.c
# Where the C library has no _dl_find_object, wrap and watch find the shim's, and their tests libcore's.
if HAVE_DL_FIND_OBJECT
src_libcore_la_SOURCES += src/next/objects_next.c
parts_ldflags = -Wl,--no-undefined
find_object_la =
else
src_libcore_la_SOURCES += src/process/find_object.c
if HAVE_R_DEBUG
src_libcore_la_SOURCES += src/next/objects_snapshot.c
else
src_libcore_la_SOURCES += src/next/objects_append.c
endif
parts_ldflags =
find_object_la = src/libcore.la
endif
# Vector registers may hold the arguments of a wrapped call (scope/calls.h).
src_libcore_la_CFLAGS = $(shim_cflags) $(general_registers)

# The compiler must not replace malloc + memset by a call of calloc, nor drop an allocation that
# nobody uses; C++ exceptions (bad_alloc, a new_handler's) pass through; counters that lie side by
# side are not worth a vector register; a function that goes on to another leaves it the return
# address, by which calls are judged, with -O1, too (-Og never does).
shim_cflags = $(AM_CFLAGS) $(coverage_flags) -fvisibility=hidden -fexceptions -ftls-model=initial-exec \
	-foptimize-sibling-calls \
	-fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free \
	-fno-tree-slp-vectorize

preloadexec_LTLIBRARIES = libarenashim.la
libarenashim_la_SOURCES = \
	src/process/interpose.c \
	src/process/interpose.h \
	src/process/interpose_cxx.c \
	src/process/leave.c \
	src/process/leave.h \
	src/process/load.c
if HAVE_DL_FIND_OBJECT
libarenashim_la_SOURCES += src/process/find_object.c
endif
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
	rm -f $(DESTDIR)$(preloadexecdir)/libarenashim.la $(DESTDIR)$(pkglibdir)/libarenashim-wrap.la \
		$(DESTDIR)$(pkglibdir)/libarenashim-watch.la
uninstall-hook:
	rm -f $(DESTDIR)$(preloadexecdir)/libarenashim.so $(DESTDIR)$(pkglibdir)/libarenashim-wrap.so \
		$(DESTDIR)$(pkglibdir)/libarenashim-watch.so

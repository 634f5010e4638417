# Tests of the module that wraps functions by name. Included where it is built.
if HAVE_CHECK
check_PROGRAMS += tests/wrap/check_patch
TESTS += tests/wrap/check_patch
endif
tests_wrap_check_patch_SOURCES = tests/wrap/check_patch.c
if WRAP_X86_64
tests_wrap_check_patch_SOURCES += tests/wrap/x86_64/samples.S tests/wrap/x86_64/samples.h
endif
if WRAP_AARCH64
tests_wrap_check_patch_SOURCES += tests/wrap/aarch64/samples.S tests/wrap/aarch64/samples.h
endif
tests_wrap_check_patch_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/wrap/$(wrap_machine)
tests_wrap_check_patch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wrap_check_patch_LDADD = src/wrap/libwrap.la $(CHECK_LIBS)

if HAVE_CHECK
check_PROGRAMS += tests/wrap/check_thunk tests/wrap/check_unwind
TESTS += tests/wrap/check_thunk tests/wrap/check_unwind
if !SANITIZERS
TESTS += tests/wrap/gdb.sh
endif
endif
EXTRA_DIST += tests/wrap/gdb.sh
tests_wrap_check_thunk_SOURCES = \
	tests/wrap/check_thunk.c \
	tests/wrap/fake_host.c \
	tests/wrap/fake_host.h
if WRAP_X86_64
tests_wrap_check_thunk_SOURCES += tests/wrap/x86_64/registers.S tests/wrap/x86_64/registers.h
endif
if WRAP_AARCH64
tests_wrap_check_thunk_SOURCES += tests/wrap/aarch64/registers.S tests/wrap/aarch64/registers.h
endif
tests_wrap_check_thunk_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/wrap/$(wrap_machine)
tests_wrap_check_thunk_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread -Wno-psabi
tests_wrap_check_thunk_LDADD = src/wrap/libthunk.la src/libcore.la $(CHECK_LIBS) -lm
tests_wrap_check_unwind_SOURCES = tests/wrap/check_unwind.cc tests/wrap/fake_host.c tests/wrap/fake_host.h
tests_wrap_check_unwind_CFLAGS = $(AM_CFLAGS)
tests_wrap_check_unwind_CXXFLAGS = $(AM_CXXFLAGS) $(CHECK_CFLAGS) -pthread
tests_wrap_check_unwind_LDADD = src/wrap/libthunk.la $(find_object_la) $(CHECK_LIBS)
# FUZZ_FILES names further files to look at.
if !SANITIZERS
check_PROGRAMS += tests/wrap/fuzz_patch tests/wrap/run_patched
TESTS += tests/wrap/fuzz_patch.sh tests/wrap/run_patched.sh
endif
EXTRA_DIST += tests/wrap/fuzz_patch.sh tests/wrap/run_patched.sh

wrap_programs_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_wrap_fuzz_patch_SOURCES = tests/wrap/copies.h tests/wrap/fuzz_patch.c tests/wrap/library.c tests/wrap/library.h
if WRAP_X86_64
tests_wrap_fuzz_patch_SOURCES += tests/wrap/x86_64/copies.c
endif
if WRAP_AARCH64
tests_wrap_fuzz_patch_SOURCES += tests/wrap/aarch64/copies.c
endif
tests_wrap_fuzz_patch_CPPFLAGS = $(wrap_programs_cppflags)
tests_wrap_fuzz_patch_LDADD = src/wrap/libwrap.la

tests_wrap_run_patched_SOURCES = tests/wrap/run_patched.c tests/wrap/library.c tests/wrap/library.h
tests_wrap_run_patched_CPPFLAGS = $(wrap_programs_cppflags)
tests_wrap_run_patched_LDADD = src/wrap/libwrap.la

if HAVE_CHECK
check_PROGRAMS += tests/wrap/check_names
TESTS += tests/wrap/check_names
endif
tests_wrap_check_names_SOURCES = tests/wrap/check_names.c
tests_wrap_check_names_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wrap_check_names_LDADD = src/wrap/libwrap.la $(CHECK_LIBS)

# They preload a library, before which a sanitizer's cannot stand.
if !SANITIZERS
TESTS += tests/wrap/binaries.sh tests/wrap/calls.sh tests/wrap/names.sh tests/wrap/reload.sh \
	tests/wrap/results.sh tests/wrap/runtimes.sh
endif
EXTRA_DIST += \
	tests/wrap/addresses.c \
	tests/wrap/binaries.sh \
	tests/wrap/calls.c \
	tests/wrap/calls.cc \
	tests/wrap/calls.sh \
	tests/wrap/classes.c \
	tests/wrap/faults.cc \
	tests/wrap/kept.c \
	tests/wrap/linked.c \
	tests/wrap/loop.h \
	tests/wrap/queries.sql \
	tests/wrap/tail.c \
	tests/wrap/variety.pl \
	tests/wrap/variety.py \
	tests/wrap/wrapped.h \
	tests/wrap/host_lib.c \
	tests/wrap/named.c \
	tests/wrap/named.cc \
	tests/wrap/named_lib.c \
	tests/wrap/names.sh \
	tests/wrap/reload.c \
	tests/wrap/reload.sh \
	tests/wrap/results.c \
	tests/wrap/results.sh \
	tests/wrap/results_lib.c \
	tests/wrap/runtime.go \
	tests/wrap/runtime.hs \
	tests/wrap/runtime.ml \
	tests/wrap/runtimes.sh \
	tests/wrap/running.c

# libarena.a: unit tests, a model-based test, C++, its symbols, other languages, and
# AddressSanitizer.

check_PROGRAMS += tests/arena/cxx_arena
TESTS += tests/arena/cxx_arena
tests_arena_cxx_arena_SOURCES = tests/arena/cxx_arena.cc
tests_arena_cxx_arena_CXXFLAGS = $(AM_CXXFLAGS) -std=c++11 -pedantic
tests_arena_cxx_arena_LDADD = libarena.a -lpthread

if HAVE_CHECK
arena_check_programs = \
	tests/arena/check_arena \
	tests/arena/check_arena_model \
	tests/arena/check_arena_thread
check_PROGRAMS += $(arena_check_programs)
TESTS += $(arena_check_programs)
endif

tests_arena_check_arena_SOURCES = tests/arena/check_arena.c
tests_arena_check_arena_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_arena_check_arena_LDADD = libarena.a $(CHECK_LIBS)

tests_arena_check_arena_model_SOURCES = tests/arena/check_arena_model.c
tests_arena_check_arena_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_arena_check_arena_model_LDADD = libarena.a $(CHECK_LIBS)

tests_arena_check_arena_thread_SOURCES = tests/arena/check_arena_thread.c
tests_arena_check_arena_thread_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_arena_check_arena_thread_LDADD = libarena.a $(CHECK_LIBS)

TESTS += tests/arena/check_symbols.sh
# Other languages' linkers, and other compilers, do not know the library that counts lines.
if !COVERAGE
TESTS += \
	tests/arena/link_languages.sh \
	tests/arena/poison.sh
endif
EXTRA_DIST += \
	tests/arena/behind.h \
	tests/arena/check_symbols.sh \
	tests/arena/link_languages.sh \
	tests/arena/link_arena.f90 \
	tests/arena/link_arena.rs \
	tests/arena/poison.c \
	tests/arena/poison.sh

# Run by "make check-valgrind".
valgrind_tests = tests/valgrind/memcheck.sh tests/valgrind/unit.sh
EXTRA_DIST += $(valgrind_tests) \
	tests/valgrind/children.c \
	tests/valgrind/clean.c \
	tests/valgrind/freed.c \
	tests/valgrind/leak.c \
	tests/valgrind/left_open.c \
	tests/valgrind/lost.c \
	tests/valgrind/overrun.c \
	tests/valgrind/retained.c \
	tests/valgrind/stale.c \
	tests/valgrind/status.c \
	tests/valgrind/uninitialised.c

check-valgrind: all
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(valgrind_tests)' TEST_SUITE_LOG=valgrind-suite.log

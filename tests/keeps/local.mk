# What libc and other run-time libraries keep for themselves must not lie in an arena.
TESTS += tests/keeps/keeps.sh tests/keeps/all_modules.sh tests/keeps/tail_calls.sh
valgrind_tests += tests/keeps/memcheck.sh
EXTRA_DIST += \
	tests/keeps/all_modules.sh \
	tests/keeps/common.sh \
	tests/keeps/cxx.cc \
	tests/keeps/keeps.h \
	tests/keeps/keeps.sh \
	tests/keeps/loader.c \
	tests/keeps/memcheck.sh \
	tests/keeps/memcheck.supp \
	tests/keeps/openmp.c \
	tests/keeps/stdio.c \
	tests/keeps/system.c \
	tests/keeps/tail_calls.c \
	tests/keeps/tail_calls.sh \
	tests/keeps/text.c

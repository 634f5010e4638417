# Fuzz targets: a short run in "make check", a longer one by "make fuzz FUZZ_SECONDS=n".
TESTS += tests/fuzz/fuzz.sh
EXTRA_DIST += \
	tests/fuzz/corpus-config \
	tests/fuzz/corpus-operations \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz.sh \
	tests/fuzz/fuzz_config.c \
	tests/fuzz/fuzz_operations.c \
	tests/fuzz/main.c

fuzz: all
	FUZZ_SECONDS=$${FUZZ_SECONDS:-300} $(MAKE) $(AM_MAKEFLAGS) check TESTS=tests/fuzz/fuzz.sh \
		TEST_SUITE_LOG=fuzz-suite.log

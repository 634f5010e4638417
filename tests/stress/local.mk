# The stress test of the whole shim, about a minute. STRESS_SECONDS and STRESS_SEED choose another
# run: make check TESTS=tests/stress/stress.sh STRESS_SECONDS=600
TESTS += tests/stress/stress.sh
EXTRA_DIST += \
	tests/stress/model.c \
	tests/stress/model.h \
	tests/stress/operators.cc \
	tests/stress/operators.h \
	tests/stress/stress.c \
	tests/stress/stress.sh

# The stress tests of the whole shim and of what scopes retain, half a minute each. STRESS_SECONDS and STRESS_SEED
# (RETAIN_SECONDS, RETAIN_SEED) choose another run: make check TESTS=tests/stress/stress.sh STRESS_SECONDS=600
TESTS += tests/stress/retain.sh tests/stress/stress.sh
EXTRA_DIST += \
	tests/stress/model.c \
	tests/stress/model.h \
	tests/stress/operators.cc \
	tests/stress/operators.h \
	tests/stress/retain.c \
	tests/stress/retain.sh \
	tests/stress/stress.c \
	tests/stress/stress.sh

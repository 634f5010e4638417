# The shim beside tools that look into the process, and beside other libraries that change malloc.
TESTS += \
	tests/neighbours/allocators.sh \
	tests/neighbours/gdb.sh \
	tests/neighbours/probes.sh \
	tests/neighbours/mpi.sh \
	tests/neighbours/races.sh \
	tests/neighbours/sanitizers.sh \
	tests/neighbours/tracers.sh

EXTRA_DIST += \
	tests/neighbours/address.c \
	tests/neighbours/allocators.sh \
	tests/neighbours/early.c \
	tests/neighbours/gdb.sh \
	tests/neighbours/inspected.c \
	tests/neighbours/mixed.c \
	tests/neighbours/mpi.c \
	tests/neighbours/mpi.sh \
	tests/neighbours/plugin.c \
	tests/neighbours/probed.c \
	tests/neighbours/probes.sh \
	tests/neighbours/races.c \
	tests/neighbours/races.sh \
	tests/neighbours/sanitized.c \
	tests/neighbours/sanitizers.sh \
	tests/neighbours/steady.c \
	tests/neighbours/tracers.sh \
	tests/neighbours/wrapper.c

# The shim beside tools that look into the process, and beside other libraries that change malloc.
TESTS += \
	tests/neighbours/gdb.sh \
	tests/neighbours/races.sh \
	tests/neighbours/sanitizers.sh

EXTRA_DIST += \
	tests/neighbours/gdb.sh \
	tests/neighbours/inspected.c \
	tests/neighbours/races.c \
	tests/neighbours/races.sh \
	tests/neighbours/sanitized.c \
	tests/neighbours/sanitizers.sh

# What becomes of the shim and its program when the system refuses.
TESTS += \
	tests/resources/faults.sh \
	tests/resources/resident.sh

EXTRA_DIST += \
	tests/resources/fault_lib.c \
	tests/resources/faults.c \
	tests/resources/faults.cc \
	tests/resources/faults.sh \
	tests/resources/huge_lib.c \
	tests/resources/resident.c \
	tests/resources/resident.sh

# What becomes of the shim and its program when the system refuses.
if HAVE_CHECK
check_PROGRAMS += tests/resources/check_faults
TESTS += tests/resources/check_faults
tests_resources_check_faults_SOURCES = tests/resources/check_faults.c tests/shim/harness.h
tests_resources_check_faults_CFLAGS = $(shim_tests_cflags)
tests_resources_check_faults_LDADD = $(shim_tests_ldadd) libarena.a
tests_resources_check_faults_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mmap,--wrap=mremap,--wrap=mprotect,--wrap=madvise,--wrap=getrlimit \
	-Wl,--wrap=pthread_key_create,--wrap=pthread_setspecific,--wrap=pthread_atfork
endif

if !SANITIZERS
TESTS += \
	tests/resources/exhausted.sh \
	tests/resources/faults.sh \
	tests/resources/pages.sh \
	tests/resources/resident.sh
endif

EXTRA_DIST += \
	tests/resources/exhausted.c \
	tests/resources/exhausted.cc \
	tests/resources/exhausted.sh \
	tests/resources/fault_lib.c \
	tests/resources/faults.c \
	tests/resources/faults.cc \
	tests/resources/faults.sh \
	tests/resources/huge_lib.c \
	tests/resources/page_lib.c \
	tests/resources/pages.sh \
	tests/resources/resident.c \
	tests/resources/resident.sh

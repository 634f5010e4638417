# Tests of `arenashim advise`: its steps as units, and the command on small programs.
if HAVE_CHECK
advise_tests = tests/advise/check_verdict
check_PROGRAMS += $(advise_tests)
TESTS += $(advise_tests)
endif

advise_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
advise_tests_ldadd = src/advise/libadvise.a $(advise_libs) $(CHECK_LIBS)

tests_advise_check_verdict_SOURCES = tests/advise/check_verdict.c
tests_advise_check_verdict_CFLAGS = $(advise_tests_cflags)
tests_advise_check_verdict_LDADD = $(advise_tests_ldadd)

if !SANITIZERS
TESTS += tests/advise/runs.sh
endif
EXTRA_DIST += tests/advise/runs.c tests/advise/runs.sh

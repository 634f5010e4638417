# Tests of `arenashim advise`: its steps as units, and the command on small programs.
if HAVE_CHECK
advise_tests = tests/advise/check_verdict tests/advise/check_plans tests/advise/check_output
check_PROGRAMS += $(advise_tests)
TESTS += $(advise_tests)
endif

advise_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS)
advise_tests_ldadd = src/advise/libadvise.a $(advise_libs) $(CHECK_LIBS)

tests_advise_check_verdict_SOURCES = tests/advise/check_verdict.c
tests_advise_check_verdict_CFLAGS = $(advise_tests_cflags)
tests_advise_check_verdict_LDADD = $(advise_tests_ldadd)

tests_advise_check_plans_SOURCES = tests/advise/check_plans.c tests/advise/made.c tests/advise/made.h
tests_advise_check_plans_CFLAGS = $(advise_tests_cflags)
tests_advise_check_plans_LDADD = $(advise_tests_ldadd)

tests_advise_check_output_SOURCES = tests/advise/check_output.c tests/advise/made.c tests/advise/made.h
tests_advise_check_output_CFLAGS = $(advise_tests_cflags)
tests_advise_check_output_LDADD = $(advise_tests_ldadd)

if !SANITIZERS
TESTS += tests/advise/runs.sh tests/advise/world.sh tests/advise/places.sh tests/advise/advice.sh
check_PROGRAMS += tests/advise/places
endif
tests_advise_places_SOURCES = tests/advise/places.c
tests_advise_places_LDADD = src/advise/libadvise.a $(advise_libs)
EXTRA_DIST += \
	tests/advise/advice.c \
	tests/advise/advice.sh \
	tests/advise/ends.c \
	tests/advise/placed.c \
	tests/advise/placed.cc \
	tests/advise/placed_other.c \
	tests/advise/places.sh \
	tests/advise/litter.c \
	tests/advise/runs.c \
	tests/advise/runs.sh \
	tests/advise/world.sh

# Tests of the module that wraps functions by name. Included where it is built.
if HAVE_CHECK
check_PROGRAMS += tests/wrap/check_patch
TESTS += tests/wrap/check_patch
endif
tests_wrap_check_patch_SOURCES = tests/wrap/check_patch.c tests/wrap/samples.S
tests_wrap_check_patch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_wrap_check_patch_LDADD = src/wrap/libwrap.la $(CHECK_LIBS)

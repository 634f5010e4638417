# Every test speaks TAP: shell scripts by tests/tap.sh, Check programs by CK_TAP_LOG_FILE_NAME.
TEST_EXTENSIONS = .sh
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(tap_driver)
SH_LOG_DRIVER = $(tap_driver)
SH_LOG_COMPILER = bash

# What the tests are told about the build. The settings of the person who runs them stay out.
AM_TESTS_ENVIRONMENT = \
	for name in `env | sed -n 's/^\(ARENASHIM_[A-Z_]*\)=.*/\1/p'`; do unset $$name; done; \
	unset LD_PRELOAD; \
	CK_TAP_LOG_FILE_NAME=-; CK_VERBOSITY=silent; CK_DEFAULT_TIMEOUT=120; \
	ARENASHIM='$(abs_top_builddir)/arenashim'; \
	ARENASHIM_SHIM_PATH='$(abs_top_builddir)/.libs/libarenashim.so'; \
	ARENA_LIB='$(abs_top_builddir)/libarena.a'; \
	BUILDDIR='$(abs_top_builddir)'; COVERAGE='$(coverage_flags)'; \
	srcdir='$(srcdir)'; CC='$(CC)'; CXX='$(CXX)'; NM='$(NM)'; VALGRIND='$(VALGRIND)'; \
	export CK_TAP_LOG_FILE_NAME CK_VERBOSITY CK_DEFAULT_TIMEOUT ARENASHIM \
		ARENASHIM_SHIM_PATH ARENA_LIB BUILDDIR COVERAGE srcdir CC CXX NM VALGRIND;

EXTRA_DIST += tests/left_out.h tests/tap.sh

if COMMAND
include tests/arena/local.mk
if HAVE_CHECK
include tests/kernels/local.mk
include tests/shim/local.mk
endif

include tests/advise/local.mk
include tests/watch/local.mk

if HAVE_WRAP
include tests/wrap/local.mk
endif

# A sanitizer's run-time library must be the first in the process and brings its own malloc, so a
# build with sanitizers runs the unit tests alone.
if !SANITIZERS
include tests/bench/local.mk
include tests/cli/local.mk
include tests/gate/local.mk
include tests/languages/local.mk
include tests/lifecycle/local.mk
include tests/neighbours/local.mk
include tests/preload/local.mk
include tests/reader/local.mk
include tests/fuzz/local.mk
include tests/stress/local.mk
include tests/top/local.mk
include tests/valgrind/local.mk
include tests/keeps/local.mk
endif

include tests/resources/local.mk
endif

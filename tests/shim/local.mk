# Unit tests of base and shim, against the convenience library: internals are tested directly, and
# nothing is interposed. Included where Check is there.
#
# SHIM_MODEL_SEED and SHIM_MODEL_OPERATIONS choose another run of check_model.

shim_tests = \
	tests/shim/check_base \
	tests/shim/check_config \
	tests/shim/check_next \
	tests/shim/check_objects \
	tests/shim/check_region \
	tests/shim/check_block \
	tests/shim/check_drop \
	tests/shim/check_pages \
	tests/shim/check_retain \
	tests/shim/check_scope \
	tests/shim/check_stack \
	tests/shim/check_stats \
	tests/shim/check_signal \
	tests/shim/check_retain_signal \
	tests/shim/check_named \
	tests/shim/check_model
check_PROGRAMS += $(shim_tests)
TESTS += $(shim_tests)

shim_tests_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread
shim_tests_ldadd = src/libcore.la $(CHECK_LIBS)

tests_shim_check_base_SOURCES = tests/shim/check_base.c tests/shim/harness.h
tests_shim_check_base_CFLAGS = $(shim_tests_cflags)
tests_shim_check_base_LDADD = $(shim_tests_ldadd)

tests_shim_check_config_SOURCES = tests/shim/check_config.c tests/shim/harness.h
tests_shim_check_config_CFLAGS = $(shim_tests_cflags)
tests_shim_check_config_LDADD = $(shim_tests_ldadd)

tests_shim_check_next_SOURCES = tests/shim/check_next.c tests/shim/harness.h
tests_shim_check_next_CFLAGS = $(shim_tests_cflags)
tests_shim_check_next_LDADD = $(shim_tests_ldadd)

# In place of the file that libcore has.
tests_shim_check_objects_SOURCES = tests/shim/check_objects.c tests/shim/harness.h tests/shim/stepping.h \
	src/next/objects_snapshot.c
tests_shim_check_objects_CFLAGS = $(shim_tests_cflags)
tests_shim_check_objects_LDADD = $(shim_tests_ldadd)

tests_shim_check_region_SOURCES = tests/shim/check_region.c tests/shim/harness.h
tests_shim_check_region_CFLAGS = $(shim_tests_cflags)
tests_shim_check_region_LDADD = $(shim_tests_ldadd)

tests_shim_check_block_SOURCES = tests/shim/check_block.c tests/shim/harness.h
tests_shim_check_block_CFLAGS = $(shim_tests_cflags)
tests_shim_check_block_LDADD = $(shim_tests_ldadd)

tests_shim_check_drop_SOURCES = tests/shim/check_drop.c tests/shim/harness.h
tests_shim_check_drop_CFLAGS = $(shim_tests_cflags)
tests_shim_check_drop_LDADD = $(shim_tests_ldadd)

tests_shim_check_scope_SOURCES = tests/shim/check_scope.c tests/shim/harness.h
tests_shim_check_scope_CFLAGS = $(shim_tests_cflags)
tests_shim_check_scope_LDADD = $(shim_tests_ldadd)

tests_shim_check_stack_SOURCES = tests/shim/check_stack.c tests/shim/harness.h
tests_shim_check_stack_CFLAGS = $(shim_tests_cflags)
tests_shim_check_stack_LDADD = $(shim_tests_ldadd)

tests_shim_check_stats_SOURCES = tests/shim/check_stats.c tests/shim/harness.h
tests_shim_check_stats_CFLAGS = $(shim_tests_cflags)
tests_shim_check_stats_LDADD = $(shim_tests_ldadd)

tests_shim_check_retain_signal_SOURCES = tests/shim/check_retain_signal.c tests/shim/harness.h \
	tests/shim/heaps.h tests/shim/stepping.h
tests_shim_check_retain_signal_CFLAGS = $(shim_tests_cflags)
tests_shim_check_retain_signal_LDADD = $(shim_tests_ldadd)

tests_shim_check_signal_SOURCES = tests/shim/check_signal.c tests/shim/harness.h tests/shim/stepping.h
tests_shim_check_signal_CFLAGS = $(shim_tests_cflags)
tests_shim_check_signal_LDADD = $(shim_tests_ldadd)

tests_shim_check_named_SOURCES = tests/shim/check_named.c tests/shim/harness.h tests/shim/stepping.h
tests_shim_check_named_CFLAGS = $(shim_tests_cflags)
tests_shim_check_named_LDADD = $(shim_tests_ldadd)

tests_shim_check_model_SOURCES = tests/shim/check_model.c tests/shim/harness.h
tests_shim_check_model_CFLAGS = $(shim_tests_cflags)
tests_shim_check_model_LDADD = $(shim_tests_ldadd)

tests_shim_check_pages_SOURCES = tests/shim/check_pages.c tests/shim/harness.h
tests_shim_check_pages_CFLAGS = $(shim_tests_cflags)
tests_shim_check_pages_LDADD = $(shim_tests_ldadd)

tests_shim_check_retain_SOURCES = tests/shim/check_retain.c tests/shim/harness.h \
	tests/shim/heaps.h
tests_shim_check_retain_CFLAGS = $(shim_tests_cflags)
tests_shim_check_retain_LDADD = $(shim_tests_ldadd)

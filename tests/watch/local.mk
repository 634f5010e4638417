# Tests of the part that watches programs for `arenashim advise`.
if HAVE_CHECK
check_PROGRAMS += tests/watch/check_calls tests/watch/check_heap tests/watch/check_prove tests/watch/check_tables
TESTS += tests/watch/check_calls tests/watch/check_heap tests/watch/check_prove tests/watch/check_tables
endif
tests_watch_check_calls_SOURCES = tests/watch/check_calls.c
tests_watch_check_calls_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_watch_check_calls_LDADD = src/watch/libwatch.la $(find_object_la) $(CHECK_LIBS)
tests_watch_check_heap_SOURCES = tests/watch/check_heap.c
tests_watch_check_heap_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread
tests_watch_check_heap_LDADD = src/watch/libwatch.la $(find_object_la) $(CHECK_LIBS)
tests_watch_check_prove_SOURCES = tests/watch/check_prove.c
tests_watch_check_prove_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread
tests_watch_check_prove_LDADD = src/watch/libwatch.la $(find_object_la) $(CHECK_LIBS)
tests_watch_check_tables_SOURCES = tests/watch/check_tables.c
tests_watch_check_tables_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) -pthread
tests_watch_check_tables_LDADD = src/watch/libwatch.la $(find_object_la) $(CHECK_LIBS)

if !SANITIZERS
check_PROGRAMS += tests/watch/record
tests_watch_record_SOURCES = tests/watch/record.c
TESTS += tests/watch/entry_points.sh tests/watch/guest.sh tests/watch/proven.sh tests/watch/same.sh tests/watch/sample.sh
endif
EXTRA_DIST += \
	tests/watch/entry_points.sh \
	tests/watch/guest.c \
	tests/watch/guest.sh \
	tests/watch/library.c \
	tests/watch/lives.c \
	tests/watch/lives.cc \
	tests/watch/proven.cc \
	tests/watch/proven.sh \
	tests/watch/same.sh \
	tests/watch/sample.sh

# Tests of the part that watches programs for `arenashim advise`.
check_PROGRAMS += tests/watch/record
tests_watch_record_SOURCES = tests/watch/record.c
TESTS += tests/watch/sample.sh
EXTRA_DIST += \
	tests/watch/library.c \
	tests/watch/lives.c \
	tests/watch/lives.cc \
	tests/watch/sample.sh

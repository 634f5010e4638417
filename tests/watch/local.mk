# Tests of the part that watches programs for `arenashim advise`.
check_PROGRAMS += tests/watch/record
tests_watch_record_SOURCES = tests/watch/record.c

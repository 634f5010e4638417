# arenashim top on processes that run.
TESTS += tests/top/top.sh
EXTRA_DIST += tests/top/terminal.py tests/top/top.sh tests/top/watched.c

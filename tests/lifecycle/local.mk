# The life of a process and its threads under the shim: start, threads, fork, control flow, exit.
TESTS += \
	tests/lifecycle/exit.sh \
	tests/lifecycle/start.sh

EXTRA_DIST += \
	tests/lifecycle/exit.c \
	tests/lifecycle/exit.cc \
	tests/lifecycle/exit.sh \
	tests/lifecycle/start.c \
	tests/lifecycle/start.sh \
	tests/lifecycle/start_lib.c

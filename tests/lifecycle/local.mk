# The life of a process and its threads under the shim: start, threads, fork, control flow, exit.
TESTS += \
	tests/lifecycle/caller.sh \
	tests/lifecycle/control.sh \
	tests/lifecycle/exit.sh \
	tests/lifecycle/fork.sh \
	tests/lifecycle/start.sh \
	tests/lifecycle/threads.sh

EXTRA_DIST += \
	tests/lifecycle/caller.c \
	tests/lifecycle/caller.sh \
	tests/lifecycle/control.c \
	tests/lifecycle/control.cc \
	tests/lifecycle/control.sh \
	tests/lifecycle/exit.c \
	tests/lifecycle/exit.cc \
	tests/lifecycle/exit.sh \
	tests/lifecycle/fork.c \
	tests/lifecycle/fork.sh \
	tests/lifecycle/start.c \
	tests/lifecycle/start.sh \
	tests/lifecycle/start_lib.c \
	tests/lifecycle/threads.c \
	tests/lifecycle/threads.sh

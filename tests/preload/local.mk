# Tests of the shared library in real programs. They compile what they need.
TESTS += \
	tests/preload/children.sh \
	tests/preload/config.sh \
	tests/preload/debug.sh \
	tests/preload/entry_points.sh \
	tests/preload/layers.sh \
	tests/preload/order.sh \
	tests/preload/limits.sh \
	tests/preload/marks.sh \
	tests/preload/misuse.sh \
	tests/preload/operators.sh \
	tests/preload/output.sh \
	tests/preload/overflow.sh \
	tests/preload/path.sh \
	tests/preload/programs.sh \
	tests/preload/python.sh \
	tests/preload/ranks.sh \
	tests/preload/realloc_free.sh \
	tests/preload/redis.sh \
	tests/preload/retain.sh \
	tests/preload/retaining.sh \
	tests/preload/routing.sh \
	tests/preload/sandbox.sh \
	tests/preload/stack.sh \
	tests/preload/stats.sh \
	tests/preload/threads.sh \
	tests/preload/thrown.sh \
	tests/preload/trim.sh \
	tests/preload/unload.sh \
	tests/preload/recall.sh
# The library that counts lines adds symbols and needs of its own, makes no sibling calls that hand a
# caller on, and cannot write its counts as another user.
if !COVERAGE
TESTS += tests/preload/automatic.sh tests/preload/exports.sh tests/preload/security.sh
endif

EXTRA_DIST += \
	tests/preload/automatic.c \
	tests/preload/automatic.sh \
	tests/preload/automatic_lib.c \
	tests/preload/children.c \
	tests/preload/common.sh \
	tests/preload/children.sh \
	tests/preload/config.sh \
	tests/preload/debug.c \
	tests/preload/debug.sh \
	tests/preload/early.c \
	tests/preload/early_main.c \
	tests/preload/entry_points.c \
	tests/preload/entry_points.cc \
	tests/preload/entry_points.sh \
	tests/preload/expect.h \
	tests/preload/exports.expected \
	tests/preload/exports.sh \
	tests/preload/handlers.c \
	tests/preload/interrupt.h \
	tests/preload/late.c \
	tests/preload/layers.sh \
	tests/preload/order.sh \
	tests/preload/limited.c \
	tests/preload/limits.sh \
	tests/preload/marks.c \
	tests/preload/marks.cc \
	tests/preload/marks.sh \
	tests/preload/marks_main.c \
	tests/preload/new_handler.cc \
	tests/preload/new_lib.cc \
	tests/preload/operators.cc \
	tests/preload/operators.sh \
	tests/preload/misuse.c \
	tests/preload/misuse.sh \
	tests/preload/output.c \
	tests/preload/output.sh \
	tests/preload/overflow.c \
	tests/preload/overflow.cc \
	tests/preload/overflow.sh \
	tests/preload/own_malloc.c \
	tests/preload/own_new.cc \
	tests/preload/partial.cc \
	tests/preload/path.sh \
	tests/preload/plugin_host.c \
	tests/preload/programs.sh \
	tests/preload/python.sh \
	tests/preload/ranks.sh \
	tests/preload/realloc_free.c \
	tests/preload/realloc_free.sh \
	tests/preload/redis.sh \
	tests/preload/retain.sh \
	tests/preload/retain.c \
	tests/preload/retaining.c \
	tests/preload/retaining.sh \
	tests/preload/routing.c \
	tests/preload/routing.cc \
	tests/preload/routing.sh \
	tests/preload/routing_lib.c \
	tests/preload/sandbox.c \
	tests/preload/sandbox.sh \
	tests/preload/secure.c \
	tests/preload/security.c \
	tests/preload/security.cc \
	tests/preload/security.sh \
	tests/preload/simple.c \
	tests/preload/stack.c \
	tests/preload/stack.sh \
	tests/preload/stats.c \
	tests/preload/stats.sh \
	tests/preload/threads.c \
	tests/preload/threads.cc \
	tests/preload/threads.sh \
	tests/preload/thrown.cc \
	tests/preload/thrown.sh \
	tests/preload/trim.c \
	tests/preload/trim.sh
EXTRA_DIST += tests/preload/unload.c tests/preload/unload.sh tests/preload/recall.sh

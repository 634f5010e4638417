# The bump allocator, as a static library of its own. Position-independent, so that shared
# libraries can take it in.
lib_LIBRARIES += libarena.a
libarena_a_SOURCES = \
	include/arenashim/arena.h \
	src/arena/arena.c \
	src/arena/thread.c
libarena_a_CFLAGS = $(AM_CFLAGS) $(coverage_flags) -fPIC

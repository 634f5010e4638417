# Judging a run, for the command.
noinst_LIBRARIES += src/gate/libgate.a
src_gate_libgate_a_SOURCES = \
	src/gate/findings.c \
	src/gate/findings.h \
	src/gate/memcheck.c \
	src/gate/memcheck.h \
	src/gate/budget.c \
	src/gate/budget.h \
	src/gate/formats.c \
	src/gate/formats.h \
	src/gate/gate.c \
	src/gate/gate.h

src_gate_libgate_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(EXPAT_CFLAGS) $(coverage_flags)
src_gate_libgate_a_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
gate_libs = src/gate/libgate.a $(EXPAT_LIBS)

# What `arenashim top` sees of a process, linked into the command.
noinst_LIBRARIES += src/top/libtop.a
src_top_libtop_a_SOURCES = \
	src/top/process.c \
	src/top/process.h \
	src/top/look.c \
	src/top/look.h \
	src/top/text.c \
	src/top/text.h \
	src/top/json.c \
	src/top/json.h \
	src/top/screen.c \
	src/top/screen.h

src_top_libtop_a_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(JANSSON_CFLAGS) $(coverage_flags)
src_top_libtop_a_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
top_libs = $(NCURSES_LIBS) $(JANSSON_LIBS)

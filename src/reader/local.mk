# Reading the statistics of processes, for the command.
noinst_LIBRARIES += src/reader/libreader.a
src_reader_libreader_a_SOURCES = \
	src/reader/members.c \
	src/reader/members.h \
	src/reader/regular.h \
	src/reader/whole.c \
	src/reader/whole.h \
	src/reader/sites.c \
	src/reader/sites.h \
	src/reader/commands.c \
	src/reader/commands.h \
	src/reader/statistics.c \
	src/reader/statistics.h \
	src/reader/diff.c \
	src/reader/diff.h \
	src/reader/text.c \
	src/reader/text.h \
	src/reader/html.c \
	src/reader/html.h \
	src/reader/pictures.c \
	src/reader/pictures.h \
	src/reader/page_texts.S \
	src/reader/page.c \
	src/reader/page.h

page_texts = src/reader/page.css src/reader/page.js
EXTRA_DIST += $(page_texts)
src/reader/libreader_a-page_texts.$(OBJEXT): $(page_texts)

src_reader_libreader_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(coverage_flags)
src_reader_libreader_a_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE

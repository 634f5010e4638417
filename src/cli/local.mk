bin_PROGRAMS += arenashim

arenashim_SOURCES = \
	src/base/compiler.h \
	src/base/iberty.h \
	src/base/numbers.h \
	src/base/parse.c \
	src/base/parse.h \
	src/base/descriptor.c \
	src/base/descriptor.h \
	src/base/text.c \
	src/base/text.h \
	src/settings/values.h \
	src/settings/rank.c \
	src/settings/rank.h \
	src/settings/table.c \
	src/settings/table.h \
	src/cli/cli.c \
	src/cli/cli.h \
	src/cli/elf_file.c \
	src/cli/elf_file.h \
	src/cli/locate.c \
	src/cli/locate.h \
	src/cli/program.c \
	src/cli/program.h \
	src/cli/settings.c \
	src/cli/settings.h \
	src/cli/attend.c \
	src/cli/attend.h \
	src/cli/gate_options.h \
	src/cli/job.c \
	src/cli/job.h \
	src/cli/run.c \
	src/cli/check.c \
	src/cli/advise.c \
	src/cli/report.c \
	src/cli/diff.c \
	src/cli/top.c \
	src/cli/arenashim.c

arenashim_LDADD = $(gate_libs) src/reader/libreader.a src/advise/libadvise.a src/top/libtop.a \
	$(advise_libs) $(top_libs)

arenashim_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(coverage_flags)
arenashim_CPPFLAGS = \
	$(AM_CPPFLAGS) \
	-D_GNU_SOURCE \
	-I$(top_srcdir)/src \
	-I$(top_srcdir)/include \
	-DARENASHIM_VERSION='"$(PACKAGE_VERSION)"' \
	-DARENASHIM_BINDIR='"$(bindir)"' \
	-DARENASHIM_PRELOADDIR='"$(preloadexecdir)"' \
	-DARENASHIM_PKGLIBEXECDIR='"$(pkglibexecdir)"'

# The steps of `arenashim advise`. One convenience library, linked by the command and by the unit tests.
noinst_LIBRARIES += src/advise/libadvise.a
src_advise_libadvise_a_SOURCES = \
	src/base/compiler.h \
	src/base/iberty.h \
	src/base/numbers.h \
	src/watch/record.h \
	src/advise/advice.h \
	src/advise/need.c \
	src/advise/need.h \
	src/advise/streams.c \
	src/advise/streams.h \
	src/advise/children.c \
	src/advise/children.h \
	src/advise/trial.c \
	src/advise/trial.h \
	src/advise/records.c \
	src/advise/records.h \
	src/advise/progress.c \
	src/advise/progress.h \
	src/advise/verdict.c \
	src/advise/verdict.h \
	src/advise/measure.c \
	src/advise/measure.h \
	src/advise/quote.c \
	src/advise/quote.h \
	src/advise/units.c \
	src/advise/units.h \
	src/advise/places.c \
	src/advise/places.h \
	src/advise/stacks.c \
	src/advise/stacks.h \
	src/advise/expect.c \
	src/advise/expect.h \
	src/advise/candidates.c \
	src/advise/candidates.h \
	src/advise/plans.c \
	src/advise/plans.h \
	src/advise/survivors.c \
	src/advise/survivors.h \
	src/advise/table.c \
	src/advise/table.h \
	src/advise/text.c \
	src/advise/text.h \
	src/advise/json.c \
	src/advise/json.h \
	src/advise/folded.c \
	src/advise/folded.h \
	src/advise/scope_file.c \
	src/advise/scope_file.h \
	src/advise/advise.c \
	src/advise/advise.h

src_advise_libadvise_a_CFLAGS = $(AM_CFLAGS) $(DW_CFLAGS) $(JANSSON_CFLAGS) $(coverage_flags)
src_advise_libadvise_a_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
advise_libs = $(DW_LIBS) $(JANSSON_LIBS) $(IBERTY_LIBS) -lm

# The example kernels and the recall program. For use in the top-level Makefile.am, after the
# variables noinst_LIBRARIES, noinst_PROGRAMS and EXTRA_DIST have been set.
#
# -ffp-contract=off: fused multiply-add, where a machine has it, would change the last bits.

noinst_LIBRARIES += examples/libkernels.a
examples_libkernels_a_SOURCES = \
	examples/kernels/best.c \
	examples/kernels/best.h \
	examples/kernels/cosine.c \
	examples/kernels/cosine.h \
	examples/kernels/decay.c \
	examples/kernels/decay.h \
	examples/kernels/spread.c \
	examples/kernels/spread.h \
	examples/kernels/spread_check.c \
	examples/kernels/spread_check.h \
	examples/kernels/spread_dense.c \
	examples/kernels/status.c \
	examples/kernels/status.h
examples_libkernels_a_CPPFLAGS = -I$(top_srcdir)/include
examples_libkernels_a_CFLAGS = $(AM_CFLAGS) -ffp-contract=off

# Corpus and engine: recall without its command line, which bench/ links, too.
noinst_LIBRARIES += examples/librecall.a
examples_librecall_a_SOURCES = \
	examples/recall/corpus.c \
	examples/recall/corpus.h \
	examples/recall/engine.c \
	examples/recall/engine.h \
	examples/recall/graph.c \
	examples/recall/graph.h \
	examples/recall/lexicon.c \
	examples/recall/lexicon.h \
	examples/recall/status.h \
	examples/recall/synthetic.c \
	examples/recall/synthetic.h \
	examples/recall/text.c \
	examples/recall/text.h \
	examples/recall/vectors.c \
	examples/recall/vectors.h \
	examples/recall/wordnet.c \
	examples/recall/wordnet.h
examples_librecall_a_CPPFLAGS = -I$(top_srcdir)/include
examples_librecall_a_CFLAGS = $(AM_CFLAGS) -ffp-contract=off

noinst_PROGRAMS += examples/recall/recall
examples_recall_recall_SOURCES = \
	examples/recall/load.c \
	examples/recall/load.h \
	examples/recall/main.c \
	examples/recall/options.c \
	examples/recall/options.h \
	examples/recall/run.c \
	examples/recall/run.h
examples_recall_recall_CPPFLAGS = -I$(top_srcdir)/include
examples_recall_recall_CFLAGS = $(AM_CFLAGS) -ffp-contract=off -pthread
examples_recall_recall_LDADD = examples/librecall.a examples/libkernels.a -lm

if HAVE_MPI
noinst_PROGRAMS += examples/recall-mpi/recall-mpi
endif
examples_recall_mpi_recall_mpi_SOURCES = \
	examples/recall/load.c \
	examples/recall/load.h \
	examples/recall/options.c \
	examples/recall/options.h \
	examples/recall/run.c \
	examples/recall/run.h \
	examples/recall-mpi/main.c
examples_recall_mpi_recall_mpi_CPPFLAGS = -I$(top_srcdir)/include
examples_recall_mpi_recall_mpi_CFLAGS = $(AM_CFLAGS) $(MPI_CFLAGS) -ffp-contract=off -pthread
examples_recall_mpi_recall_mpi_LDADD = examples/librecall.a examples/libkernels.a $(MPI_LIBS) -lm

EXTRA_DIST += \
	examples/README.md \
	examples/consumer/CMakeLists.txt \
	examples/consumer/Makefile \
	examples/consumer/arena.c \
	examples/consumer/guards.cc \
	examples/consumer/marks.c

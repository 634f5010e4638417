# What measures the example kernels, and memory. For use in bench/local.mk.
noinst_PROGRAMS += bench/kernels
bench_kernels_SOURCES = bench/kernels.c bench/resident.c bench/resident.h
bench_kernels_CPPFLAGS = -I$(top_srcdir) -I$(top_srcdir)/include
bench_kernels_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_kernels_LDADD = bench/libsample.a examples/librecall.a examples/libkernels.a -lm
EXTRA_DIST += bench/share.sh

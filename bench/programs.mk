# What runs whole programs, and what these run. For use in bench/local.mk.
noinst_PROGRAMS += bench/process
bench_process_SOURCES = bench/process.c
bench_process_CPPFLAGS = -I$(top_srcdir) -D_GNU_SOURCE
bench_process_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_process_LDADD = bench/libsample.a

noinst_PROGRAMS += bench/server
bench_server_SOURCES = bench/server.c
bench_server_CPPFLAGS = -I$(top_srcdir)
# The allocations are the point: none may be dropped or merged.
bench_server_CFLAGS = $(AM_CFLAGS) -pthread -fno-builtin-malloc -fno-builtin-free
bench_server_LDFLAGS = $(AM_LDFLAGS) -no-install
bench_server_LDADD = bench/libsample.a

EXTRA_DIST += \
	bench/programs/advised.sh \
	bench/programs/arrays.py \
	bench/programs/inputs.sh \
	bench/programs/named.sh \
	bench/programs/orders.xsl \
	bench/programs/records.py \
	bench/programs/tables.lua \
	bench/programs/words.pl

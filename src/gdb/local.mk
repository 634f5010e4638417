# GDB finds the script by the path and name of the library.
gdbdir = $(datadir)/gdb/auto-load$(libdir)
dist_gdb_DATA = src/gdb/libarenashim.so-gdb.py

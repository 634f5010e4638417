EXTRA_DIST += \
	scripts/coverage.sh \
	scripts/demo.sh \
	scripts/emulated.c \
	scripts/package.sh \
	scripts/packages.sh \
	scripts/release.sh \
	scripts/root.sh \
	scripts/test-builds.sh \
	scripts/test-in.sh \
	scripts/test-musl.sh \
	scripts/test.sh \
	scripts/valgrind-check.sh

if COMMAND
pkglibexec_SCRIPTS = valgrind-check
endif
CLEANFILES += valgrind-check
valgrind-check: scripts/valgrind-check.sh
	$(AM_V_GEN)$(INSTALL_SCRIPT) $(srcdir)/scripts/valgrind-check.sh $@

# Builds by itself, whatever this build is like.
coverage:
	$(srcdir)/scripts/coverage.sh

# GDB finds the script by the path and name of the library.
gdbdir = $(datadir)/gdb/auto-load$(preloadexecdir)
dist_gdb_DATA = scripts/libarenashim.so-gdb.py

EXTRA_DIST += packaging/arenashim.spec packaging/released packaging/rpmlint.toml

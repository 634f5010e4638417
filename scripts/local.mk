EXTRA_DIST += scripts/valgrind-check.sh

pkglibexec_SCRIPTS = valgrind-check
CLEANFILES += valgrind-check
valgrind-check: scripts/valgrind-check.sh
	$(AM_V_GEN)cp $(srcdir)/scripts/valgrind-check.sh $@ && chmod +x $@

nodist_man_MANS = man/libarenashim.7
dist_man_MANS = man/arenashim-cluster.7 man/arena_alloc.3 man/arena_scope_begin.3
if COMMAND
nodist_man_MANS += man/arenashim.1 man/arenashim-advise.1 man/arenashim-report.1
dist_man_MANS += man/arenashim-top.1
endif
EXTRA_DIST += man/arenashim.1.in man/arenashim-advise.1.in man/arenashim-report.1.in man/libarenashim.7.in

nodist_man_MANS = man/libarenashim.7
dist_man_MANS = man/arena_alloc.3 man/arena_scope_begin.3
EXTRA_DIST +=.in man/libarenashim.7.in

nodist_man_MANS =
dist_man_MANS = man/arena_alloc.3
EXTRA_DIST +=.in 

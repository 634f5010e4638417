# ARENASHIM_PEER(NAME, HEADER, LIBRARY, FUNCTION)
# Looks for an allocator that bench/ compares with; without it that program is not built. Sets
# have_peer_NAME, the conditional HAVE_PEER_NAME (in capitals) and NAME_LIBS, and adds NAME to `peers`.
AC_DEFUN([ARENASHIM_PEER], [
    AS_VAR_SET([have_peer_$1], [no])
    AC_CHECK_HEADER([$2],
        [AC_CHECK_LIB([$3], [$4],
            [AS_VAR_SET([have_peer_$1], [yes])
             AS_VAR_APPEND([peers], [" $1"])
             AC_SUBST(m4_toupper([$1])[_LIBS], [-l$3])])])
    AM_CONDITIONAL([HAVE_PEER_]m4_toupper([$1]), [test "x$have_peer_$1" = xyes])
])

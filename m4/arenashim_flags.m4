# ARENASHIM_FLAGS(VARIABLE, LANGUAGE, FLAGS)
# Appends to VARIABLE each of FLAGS that the compiler for LANGUAGE (C or C++) takes. The user's
# CFLAGS and CXXFLAGS are left alone.
AC_DEFUN([ARENASHIM_FLAGS], [
    AC_LANG_PUSH([$2])
    for flag in m4_normalize([$3]); do
        AC_MSG_CHECKING([whether the $2 compiler takes $flag])
        AS_VAR_COPY([saved_flags], [m4_if([$2], [C], [CFLAGS], [CXXFLAGS])])
        AS_VAR_APPEND([m4_if([$2], [C], [CFLAGS], [CXXFLAGS])], [" $flag -Werror"])
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
            [AC_MSG_RESULT([yes])
             AS_VAR_APPEND([$1], [" $flag"])],
            [AC_MSG_RESULT([no])])
        AS_VAR_COPY([m4_if([$2], [C], [CFLAGS], [CXXFLAGS])], [saved_flags])
    done
    AC_LANG_POP([$2])
])

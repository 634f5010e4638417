# shellcheck shell=bash
# What the tests of this folder share; to be sourced. It builds the programs and gives
#
#   programs          their names
#   cases PROGRAM     the names of its cases, one a line
#   groups PROGRAM    the same, those on one line that can share a process
#   plain COMMAND...  capture without the shim; what comes of it is in wanted
#   same DESCRIPTION  the last run did what the last plain one did

# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

export KEEPS_DIR=$tmp/files
mkdir -p "$KEEPS_DIR/tree"
seq -f 'line %.0f' 300 >"$KEEPS_DIR/lines"
touch "$KEEPS_DIR/tree/"{two,three,four}
# A locale that every system has, by another name.
ln -s /usr/lib/locale/C.[Uu]* "$KEEPS_DIR/de_DE.UTF-8"
# An OpenMP thread that spins is a thread that the others wait for.
export OMP_WAIT_POLICY=passive OMP_DYNAMIC=false
ulimit -c 0

programs=(stdio text system loader cxx)
need stdio -O2 stdio.c
need text -O2 text.c
need system -O2 system.c -lanl
need files/libkept.so -O2 -DLIBRARY -fPIC -shared loader.c
need loader -O2 loader.c
need cxx -O2 -std=c++17 cxx.cc
if [ ${#clang_flags[@]} -gt 0 ]; then
    skip 'OpenMP' "LLVM's run-time library loses count of its memory now and then, without the shim, too"
elif build openmp -O2 -fopenmp openmp.c; then
    programs+=(openmp)
else
    skip 'OpenMP' 'the compiler does not know it'
fi

cases() {
    "$tmp/$1"
}

# There is one time zone.
groups() {
    "$tmp/$1" | grep -vx zone_file | paste -sd ' '
    "$tmp/$1" | grep -x zone_file
}

plain() {
    capture "$@"
    wanted=$status:$err:$out
}

same() {
    if [ "$status:$err:$out" = "$wanted" ]; then
        ok "$1"
    else
        not_ok "$1" "$(last_run)"
    fi
}

#!/usr/bin/env bash
# The module for Fortran, without the shim and under it.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have gfortran || plan_skip 'no gfortran'

capture env -C "$tmp" gfortran -std=f2018 -Wall -Wextra -O2 -fopenmp -o "$tmp/fortran" \
    "$source_dir/bindings/fortran/arenashim.f90" "$here/fortran.f90" -ldl
is 'it compiles' "$status" 0
[ "$status" -eq 0 ] || done_testing
capture env -C "$tmp" gfortran -fdefault-integer-8 -fdefault-real-8 -c "$source_dir/bindings/fortran/arenashim.f90"
is '... where numbers are wider, too' "$status:$err" 0:

export OMP_NUM_THREADS=2
capture "$tmp/fortran" alone
is 'without the shim' "$status:$out" 0:

for setting in ARENASHIM_ALIGN=16 ARENASHIM_DEBUG=poison,verify; do
    under "$setting" "$tmp/fortran" shim
    routed "under the shim, $setting"
    stat_is '... nothing is misuse' '"\(.misuses) \(.left_open)"' '0 0'
done
# Of each of 300 scopes two allocatable arrays and an automatic one.
stat_is 'ALLOCATE, assignment and automatic arrays are routed' \
    '.sites[] | select(.label == "steps").routed_calls >= 900' true
stat_is 'a label may have 63 letters' \
    '.sites[] | select(.label | endswith("is as many as it may have.")).scopes' 300
stat_is 'what is kept by a scope that retains survives' '.sites[] | select(.label == "keeps").survivors' 100
done_testing

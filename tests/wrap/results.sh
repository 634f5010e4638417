#!/usr/bin/env bash
# What a wrapped call returns in a vector register is the caller's, also where its scope ends with
# blocks of modules that were not met before. Which registers the C library uses for strings depends
# on the processor; it is made to use those of older ones, too.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ -r "${shim%/*}/libarenashim-wrap.so" ] || plan_skip 'the part that wraps functions is not built'
need results -O2 results.c
libraries=()
for i in {1..8}; do
    need "libdraw$i.so" -O1 -shared -fPIC results_lib.c
    libraries+=("$tmp/libdraw$i.so")
done

for without in '' -AVX512VL,-AVX512BW -AVX512VL,-AVX512BW,-AVX2_Usable,-AVX2,-AVX; do
    name="results${without:+ without ${without//-/}}"
    capture env GLIBC_TUNABLES="glibc.cpu.hwcaps=$without" "$arenashim" run \
        --scope='retain:results!work' --stats=json --stats-file="$tmp/stats" \
        -- "$tmp/results" "${libraries[@]}"
    is "$name" "$status:$out" 0:0
    routed "$name"
    check "$name: callers of what is alive were looked for" test \
        "$(stat '[.sites[].callers | length] | add')" -gt 0
done
done_testing

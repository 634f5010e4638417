#!/usr/bin/env bash
# Whose call it is when functions tail-call malloc: that of the module that malloc returns to. What
# libarenashim(7) says about this is tested here.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# whose CASE WANTED
whose() {
    under "$tmp/program" "$1"
    routed "$how, $1: routed"
    is "$how, $1: $2" "$out" "$2"
    stat_is "$how, $1: the library's calls are counted when they pass" \
        '[.passed_in_scope.modules[] | select(.name == "libtail.so") | .calls] | add // 0' "${3:-0}"
}

build_both() {
    need libtail.so "$@" -DLIBRARY -fPIC -shared tail_calls.c
    need program "$@" tail_calls.c "$tmp/libtail.so" -Wl,-rpath,"$tmp"
}

how='tail calls'
build_both -O2
for name in wrapper_malloc wrapper_calloc wrapper_realloc wrapper_of_wrapper pointer_to_malloc; do
    whose "$name" arena
done
whose library_for_itself elsewhere 1
whose library_with_malloc elsewhere 1
whose library_with_tail_callback elsewhere 1
whose library_with_callback arena
whose library_in_pause elsewhere

# The same source, where every call returns to the function that made it.
how='no tail calls'
build_both -O2 -fno-optimize-sibling-calls
for name in wrapper_malloc wrapper_calloc wrapper_realloc wrapper_of_wrapper pointer_to_malloc; do
    whose "$name" elsewhere 1
done
whose library_for_itself elsewhere 1
whose library_with_malloc elsewhere 1
whose library_with_tail_callback arena
whose library_with_callback arena
whose library_in_pause elsewhere
done_testing

#!/usr/bin/env bash
# Every allocation function of a watched process, where each call is recorded and where a third is:
# alignment, contents, overlap, usable size, impossible requests; and random operations of threads that
# free each other's blocks, fork and end, against a model.
#
# shellcheck disable=SC2154 # common.sh sets them
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tool=$(realpath "${BUILDDIR:-.}/tests/watch/record")
cases=$source_dir/tests/preload
quiet=(-O2 -Wno-alloc-size-larger-than -Wno-unknown-warning-option)
need c "${quiet[@]}" "$cases/entry_points.c"
need cxx -std=c++17 "${quiet[@]}" "$cases/entry_points.cc"

need retain -O2 -fPIE -fno-builtin "$source_dir/tests/stress/retain.c"

# watched EVERY PROGRAM ARGUMENT...: without an error, and with its calls recorded
watched() {
    "$tool" make "$tmp/record" sample "$1" "$2"
    capture env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" "$tmp/$2" "${@:3}"
    if [ "$status" -eq 0 ] && [ -z "$err" ] && "$tool" print "$tmp/record" | grep -q '^calls [1-9]'; then
        ok "one in $1, ${*:2}"
    else
        not_ok "one in $1, ${*:2}" "$(last_run)"
    fi
}

for every in 1 3; do
    for name in blocks_out_of_scope impossible_out_of_scope errno_is_kept; do
        watched "$every" c "$name"
    done
    for name in operators_out_of_scope impossible_out_of_scope; do
        watched "$every" cxx "$name"
    done
    watched "$every" retain 1 7 signals 4
done
done_testing

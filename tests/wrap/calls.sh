#!/usr/bin/env bash
# Wrapped calls as a whole: programs and libraries under `arenashim run --scope`, whose functions
# are scopes by their names. What is asserted of each run: routed calls, the exact number of scopes
# at the site, scopes left open, no misuse.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ -r "${shim%/*}/libarenashim-wrap.so" ] || plan_skip 'the part that wraps functions is not built'
here=$source_dir/tests/wrap
export limit=120

# named SPECS PROGRAM ARGUMENT...: SPECS are separated by blanks.
named() {
    local specs
    read -ra specs <<<"$1"
    shift
    rm -f "$tmp/stats"
    capture "$arenashim" run --stats=json --stats-file="$tmp/stats" "${specs[@]/#/--scope=}" \
        -- "$@"
}

# scopes DESCRIPTION ERE COUNT: as many at the sites whose label matches.
scopes() {
    stat_is "$1: scopes" "[.sites[] | select(.label | test(\"$2\")) | .scopes] | add" "$3"
}

# ends DESCRIPTION LEFT_OPEN
ends() {
    stat_is "$1: left open, misuses" '"\(.left_open) \(.misuses)"' "$2 0"
}

# ---- arguments and results ---------------------------------------------------------------------

classes() {
    local name=$1 kind
    shift
    if ! build classes "$@" classes.c; then
        skip "$name" 'the compiler does not take it'
        return
    fi
    for kind in retain reset; do
        export CLASSES_RESET=
        [ $kind = reset ] || unset CLASSES_RESET
        named "$kind:main!w_*" "$tmp/classes"
        routed "$name, $kind"
        scopes "$name, $kind" '^classes!w_' "$out"
        ends "$name, $kind" 0
    done
    unset CLASSES_RESET
}

gcc=$cc
for cc in "$gcc" clang; do
    have "${cc%% *}" || continue
    for level in -O0 -O2 -O3; do
        classes "$cc $level" $level
    done
    classes "$cc, control-flow protection" -O2 -fcf-protection=full
    classes "$cc, patchable entries" -O2 -fpatchable-function-entry=8
    classes "$cc, patchable entries, before the function, too" -O2 -fpatchable-function-entry=7,3
    classes "$cc, nops for fentry" -O2 -fno-pie -no-pie -pg -mfentry -mnop-mcount
    classes "$cc, stack protector" -O2 -fstack-protector-all
    classes "$cc, no PIE, frame pointers" -O2 -fno-pie -no-pie -fno-omit-frame-pointer
done
cc=$gcc
done_testing

#!/usr/bin/env bash
# Programs under a filter of system calls: what libarenashim(7) says is all that the shim makes, and
# scopes that fit in what their arena has come to make none.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ "$(uname -m)" = x86_64 ] || plan_skip 'the filters are for x86-64, and QEMU takes none'
need cases -O2 sandbox.c

# allowed DESCRIPTION MESSAGES [VARIABLE=VALUE...] CASE
allowed() {
    local description=$1 messages=$2
    shift 2
    capture env LD_PRELOAD="$shim" "${@:1:$#-1}" "$tmp/cases" "${!#}"
    if [ "$status" = 77 ]; then
        skip "$description" 'the system takes no filter here'
    else
        is "$description" "$status:$out:$(grep -c '^arenashim: ' <<<"$err")" "3::$messages"
    fi
}

for end in reset retain; do
    allowed "no system call in scopes like those before, $end" 0 ARENASHIM_END=$end nothing_more
    allowed "growing and letting go, $end" 0 ARENASHIM_END=$end growth
    allowed "with a capacity, $end" 0 ARENASHIM_END=$end ARENASHIM_CAPACITY=4M growth
    allowed "a message, $end" 1 ARENASHIM_END=$end message
done
allowed 'no system call within the capacity' 0 ARENASHIM_CAPACITY=4M nothing_more
done_testing

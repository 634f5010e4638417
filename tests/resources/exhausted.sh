#!/usr/bin/env bash
# Resources that are used up, or locked, while the program runs: what arenas have they keep, what
# they do not get is the next allocator's to give, and zeroed blocks are zeroed. The limits that a
# program starts with are tests/preload/limits.sh.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need exhausted -O2 exhausted.c
need cxx -O2 -std=c++11 exhausted.cc

# try CASE DESCRIPTION [ERE]: it works, quietly or after one line that matches.
try() {
    under "$tmp/exhausted" "$1"
    if [ "$status" -eq 77 ]; then
        skip "$2" 'it cannot be brought about here'
    elif [ -z "${3-}" ]; then
        routed "$2"
    else
        is "$2" "$status" 0
        one_line "$2: one line" "$3"
        check "$2: routed" test "$(stat .routed_calls)" -gt 0
    fi
}

if [ -n "${EMULATED-}" ]; then
    skip 'what a limit ends' 'an emulator does not pass limits on to the kernel'
else
    try locked 'memory is locked'
    try data 'the limit on data is met while an arena grows'
    try address_space 'there is no address space'
fi
try mappings 'there are no more mappings' 'a thread gets no arena: the system refuses memory for it'

if counts_lines; then
    skip 'operator new when nothing is left' 'what counts lines crashes without memory'
elif [ -n "${EMULATED-}" ]; then
    skip 'operator new when nothing is left' 'an emulator does not pass limits on to the kernel'
else
    under "$tmp/cxx"
    routed 'operator new when nothing is left'
    is 'operator new when nothing is left: only the arena has memory' "$out" \
        $'begin\nfails outside 1, inside 0'
fi

# Limits that concern an arena only when its memory is locked, or never.
for limits in '-l 0' '-m 1000' '-l 0 -m 1000'; do
    rm -f "$tmp/stats"
    # shellcheck disable=SC2016
    capture bash -c 'ulimit $0 && exec env LD_PRELOAD="$1" "${@:2}"' "$limits" "$shim" \
        ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/exhausted" scopes
    routed "ulimit $limits"
done
done_testing

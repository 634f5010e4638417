#!/usr/bin/env bash
# Requests that do not fit in the capacity: the four policies, the limit, blocks aligned to
# ARENASHIM_ALIGN, memory past the capacity given back, and a recommended capacity that is enough.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

quiet=(-w)
need cases -O2 "${quiet[@]}" overflow.c
need cxx -O2 -std=c++17 "${quiet[@]}" overflow.cc

# policy DESCRIPTION CASE OVERFLOWS FALLBACKS VARIABLE=VALUE...
policy() {
    local description=$1 name=$2 overflows=$3 fallbacks=$4
    shift 4
    under ARENASHIM_CAPACITY=256K "$@" "$tmp/cases" "$name"
    routed "$description"
    stat_is "$description: overflows" .overflows "$overflows"
    stat_is "$description: those that the next allocator served" \
        '"\(.fallbacks) \(.passed_in_scope.overflow)"' "$fallbacks $fallbacks"
    stat_is "$description: sites add up" '[.sites[].overflows] | add' "$overflows"
}

policy 'grow is the default' grow_and_return 195 0
stat_is 'grow: the largest arena' '.high_water_bytes >= 64 * 1048576' true
policy 'grow keeps what lies within the capacity' capacity_is_kept 1 0 ARENASHIM_OVERFLOW=grow
policy 'fallback' fallback 6 6 ARENASHIM_OVERFLOW=fallback
policy 'fallback, with blocks aligned to 64' fallback_aligned 6 6 ARENASHIM_OVERFLOW=fallback \
    ARENASHIM_ALIGN=64
policy 'grow becomes fallback past the limit' past_limit 8 6 ARENASHIM_LIMIT=1M
policy 'error' error 7 0 ARENASHIM_OVERFLOW=error
policy 'no overflow' aligned 0 0 ARENASHIM_ALIGN=64
under ARENASHIM_CAPACITY=256K ARENASHIM_ALIGN=64 ARENASHIM_OVERFLOW=fallback "$tmp/cxx"
routed 'fallback, C++ blocks aligned to 64'
check 'fallback, C++: there were fallbacks' test "$(stat .fallbacks)" -gt 5

# With and without room to grow between the capacity and the next arena.
ulimit -c 0
policy 'inaccessible memory around an arena' guarded 0 0
policy 'inaccessible memory around an arena that cannot grow' guarded 0 0 ARENASHIM_LIMIT=256K

# shellcheck disable=SC2016
under bash -c 'LD_PRELOAD="" && ulimit -v 1000000 && export LD_PRELOAD="$1" && shift && exec "$@"' \
    bash "$shim" "$tmp/cases" guarded_when_full
routed 'inaccessible memory between arenas in a small region'
check 'inaccessible memory between arenas in a small region: it ran full' \
    test "$(stat .fallbacks)" -gt 0

# bash says that the program was aborted; the shim's line comes first.
under ARENASHIM_CAPACITY=256K ARENASHIM_OVERFLOW=abort "$tmp/cases" aborting 2>/dev/null
is 'abort: by SIGABRT, at the request' "$status:$out" "$((128 + 6)):before"
one_line 'abort: one line with size, capacity, label, file and line' \
    "overflow: 4824064 bytes .* capacity of 262144; scope 'aborting' \(.*overflow\.c:[0-9]+\); .*=abort"
under ARENASHIM_OVERFLOW=abort ARENASHIM_CAPACITY=8M "$tmp/cases" aborting
routed 'abort: not when it fits'

# The capacity that the report recommends is enough for the same run, under every policy, and not
# much more than what was needed.
for run in mixed:ARENASHIM_OVERFLOW=grow mixed:ARENASHIM_OVERFLOW=fallback \
    mixed:ARENASHIM_LIMIT=512K mixed:ARENASHIM_ALIGN=64 mixed:ARENASHIM_ALIGN=4096 \
    growing:ARENASHIM_OVERFLOW=grow; do
    load=${run%%:*} setting=${run#*:}
    under ARENASHIM_CAPACITY=64K "$setting" "$tmp/cases" "$load"
    capacity=$(stat .recommended_capacity_bytes)
    check "$load, $setting: too small a capacity overflows" test "$(stat .overflows)" -gt 0
    limit_setting=$setting
    [ "$setting" != ARENASHIM_LIMIT=512K ] || limit_setting=ARENASHIM_LIMIT=1G
    under ARENASHIM_CAPACITY="$capacity" "$limit_setting" "$tmp/cases" "$load"
    routed "$load, $setting: the recommended capacity ($capacity) is accepted"
    stat_is "$load, $setting: the recommended capacity is enough" '"\(.overflows) \(.fallbacks)"' '0 0'
    needed=$(stat .high_water_bytes)
    check "$load, $setting: the recommended capacity is at most twice the need ($needed)" \
        test "$capacity" -le $((needed * 2))
    stat_is "$load, $setting: in a run without overflow the recommendation is its need" \
        '.recommended_capacity_bytes - .high_water_bytes < 8192 and
         .recommended_capacity_bytes >= .high_water_bytes' true
done
done_testing

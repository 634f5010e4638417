#!/usr/bin/env bash
# The stress test of scopes that retain what is alive (retain.c) under the settings of the table
# below, together half a minute. RETAIN_SECONDS is how long all settings together take,
# RETAIN_SEED another seed than the fixed one; a failure prints the seed.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# name | threads | signals or quiet | ARENASHIM_* variables. Signal handlers need a capacity in which
# everything fits: a handler that interrupts the C library may not allocate there.
settings=(
    'default|4|quiet|'
    'large capacity|4|signals|ARENASHIM_CAPACITY=64M'
    'one thread|1|signals|ARENASHIM_CAPACITY=64M'
    '16 threads|16|signals|ARENASHIM_CAPACITY=64M'
    'aligned to 64|4|signals|ARENASHIM_CAPACITY=64M ARENASHIM_ALIGN=64'
    'small capacity|4|quiet|ARENASHIM_CAPACITY=64K'
    'fallback|4|quiet|ARENASHIM_CAPACITY=1M ARENASHIM_OVERFLOW=fallback'
    'small limit|4|quiet|ARENASHIM_CAPACITY=1M ARENASHIM_LIMIT=1M'
    'in a scope of the process|4|signals|ARENASHIM_CAPACITY=64M ARENASHIM_SCOPES=process'
    'poison and verify|4|quiet|ARENASHIM_CAPACITY=64M ARENASHIM_DEBUG=poison,verify'
)
seed=${RETAIN_SEED:-20260101}
seconds=$(((${RETAIN_SECONDS:-28} + ${#settings[@]} - 1) / ${#settings[@]}))

# Without the compiler's knowledge of malloc, which would leave calls out.
need retain -O2 -g -fPIE -fno-builtin retain.c

# Read by capture; longer than a run takes on a busy machine.
# shellcheck disable=SC2034
limit=$((seconds * 3 + 120))
for row in "${settings[@]}"; do
    IFS='|' read -r name threads signals variables <<<"$row"
    read -ra variables <<<"$variables"
    under ARENASHIM_END=retain "${variables[@]}" \
        "$tmp/retain" "$seconds" "$seed" "$signals" "$threads"
    routed "$name"
    check "$name: blocks survive" test "$(stat '[.sites[].survivors] | add')" -gt 10
    stat_is "$name: no misuse" .misuses 0
    case $name in
    large*)
        check "$name: blocks are freed elsewhere" test "$(stat .late_frees)" -gt 0
        ;;
    esac
    tap_comment "$name: $out"
    seed=$((seed + 1))
done
done_testing

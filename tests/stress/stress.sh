#!/usr/bin/env bash
# The stress test (stress.c, model.c) under the settings of the table below, together about half a
# minute; and that a run can be had again.
#
# STRESS_SECONDS is how long all settings together take, STRESS_SEED another seed than the fixed
# one; a failure prints the seed. The program on its own: see stress --help.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# name | options of stress | ARENASHIM_* variables. --loose: where a block lies, and whether it fits,
# follows from what was freed before, by rules that the model does not know. LASTING is a limit that
# is enough for the time.
settings=(
    'default|--loose|'
    'small capacity|--loose|ARENASHIM_CAPACITY=16K'
    'fallback|--loose|ARENASHIM_CAPACITY=16K ARENASHIM_OVERFLOW=fallback'
    'error|--loose|ARENASHIM_CAPACITY=16K ARENASHIM_OVERFLOW=error'
    'small limit|--loose|ARENASHIM_CAPACITY=16K ARENASHIM_LIMIT=64K'
    'aligned to 64|--loose|ARENASHIM_CAPACITY=32K ARENASHIM_ALIGN=64'
    'aligned to 4096|--loose --threads 2|ARENASHIM_CAPACITY=256K ARENASHIM_ALIGN=4096'
    '16 threads|--loose --threads 16|ARENASHIM_CAPACITY=64K'
    'one thread|--loose --threads 1|ARENASHIM_CAPACITY=8K'
    'poison and verify|--loose|ARENASHIM_DEBUG=poison,verify'
    'quarantine|--loose|ARENASHIM_DEBUG=quarantine ARENASHIM_CAPACITY=64K'
    'all switches|--loose|ARENASHIM_DEBUG=poison,quarantine,verify ARENASHIM_OVERFLOW=fallback'
    'the process a scope|--loose|ARENASHIM_SCOPES=process ARENASHIM_LIMIT=LASTING'
    'each thread a scope|--loose|ARENASHIM_SCOPES=thread'
)
seed=${STRESS_SEED:-20260101}
seconds=$(((${STRESS_SECONDS:-28} + ${#settings[@]} - 1) / ${#settings[@]}))

# Without the compiler's knowledge of malloc, which would leave calls out.
objects=()
for source in model.c stress.c operators.cc; do
    language=(-std=gnu11)
    [ "$source" != operators.cc ] || language=(-std=c++17)
    need "$source.o" -c -O2 -g -fno-builtin "${language[@]}" "$source"
    objects+=("$tmp/$source.o")
done
build_program() {
    # shellcheck disable=SC2086
    $cxx -pthread -o "$tmp/stress" "${objects[@]}"
}
check 'the program links' build_program

# stress VARIABLES OPTION...: `under` for a program that forks; sets status, out, err and stats.
stress() {
    local variables=() pid
    read -ra variables <<<"$1"
    shift
    rm -f "$tmp"/stats*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" \
        "${variables[@]}" "$tmp/stress" "$@"
    pid=$(sed -n 's/^pid //p' <<<"$out")
    [ ! -s "$tmp/stats.${pid:-none}" ] || mv "$tmp/stats.$pid" "$tmp/stats"
}

# Read by capture; longer than a run takes on a busy machine.
# shellcheck disable=SC2034
limit=$((seconds * 3 + 120))
base_seed=$seed
for row in "${settings[@]}"; do
    IFS='|' read -r name options variables <<<"${row/LASTING/$((64 * (seconds + 1)))M}"
    # shellcheck disable=SC2086
    stress "$variables" --seed "$seed" --seconds "$seconds" $options
    routed "$name"
    while read -r count number; do
        stat_is "$name: the statistics are exact, $count" ".$count" "$number"
    done < <(grep -E '^[a-z_]+ [0-9]+$' <<<"$out" | grep -v '^pid')
    stat_is "$name: no misuse" .misuses 0
    tap_comment "$name: $(grep '^#' <<<"$out")"
    seed=$((seed + 1))
done
[ "$tap_failed" -eq 0 ] || tap_comment "again: make check TESTS=tests/stress/stress.sh \
STRESS_SEED=$base_seed STRESS_SECONDS=$((seconds * ${#settings[@]}))"

stress ARENASHIM_CAPACITY=16K --loose --operations 20000 --seed "$seed" --digest
first=$out
like 'a run again: there is a digest' "$first" '^worker 3: [0-9a-f]{16}$'
stress ARENASHIM_CAPACITY=16K --loose --operations 20000 --seed "$seed" --digest
is 'a run again does the same' "$status:$out" "0:$first"
stress ARENASHIM_CAPACITY=16K --loose --operations 20000 --seed $((seed + 1)) --digest
check 'another seed does something else' test "$out" != "$first"

capture "$tmp/stress" --help
like '--help says how' "$out" '^usage: stress '
done_testing

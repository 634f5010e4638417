#!/usr/bin/env bash
# What scopes named from outside cost: the time of a wrapped call of an empty function, and of malloc
# and free in one that retains, beside the same without the shim (medians of RUNS runs); with
# valgrind, instructions per operation.
#
# usage: bench/wrapped.sh [BUILD-DIRECTORY]       (default: the current directory)
set -euo pipefail

RUNS=5
build=$(cd "${1:-.}" && pwd)
program=$build/bench/wrapped
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export LD_PRELOAD='' ARENASHIM_SCOPES='retain:libempty.so!bench_empty_retain;reset:libempty.so!bench_empty_reset;retain:main!retain_pair'
shimmed() {
    ARENASHIM_STACK=$stack LD_PRELOAD=$build/.libs/libarenashim.so "$@"
}

for ((run = 1; run <= RUNS; run++)); do
    for stack in 256 0; do
        shimmed "$program" >>"$work/$stack"
    done
done

# median STACK OPERATION METRIC
median() {
    awk -F'\t' -v wanted="$2 $3" '$1 " " $4 == wanted { print $5 }' "$work/$1" | sort -n | sed -n "$(((RUNS + 1) / 2))p"
}

# Instructions of one operation: the difference between two counts, so that start and exit drop out.
instructions() {
    local count totals=()
    for count in 1000 11000; do
        totals+=("$(shimmed valgrind --tool=callgrind --callgrind-out-file="$work/callgrind" \
            "$program" --count "$1" "$count" 2>&1 | sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p')")
    done
    awk -v few="${totals[0]}" -v many="${totals[1]}" 'BEGIN { printf "%.1f", (many - few) / 10000 }'
}

printf '%-16s %16s %10s %10s %14s\n' operation 'stack arguments' ns 'ns more' instructions
for stack in 256 0; do
    for operation in plain_call retain_call reset_call libc_pair retain_pair; do
        counted=-
        ! command -v valgrind >/dev/null || counted=$(instructions "$operation")
        printf '%-16s %16s %10s %10s %14s\n' "$operation" "$stack" \
            "$(median "$stack" "$operation" ns)" "$(median "$stack" "$operation" more_ns)" "$counted"
    done
done

#!/usr/bin/env bash
# The hot paths of the shim beside glibc's: times (medians of RUNS runs in turn) and, with valgrind,
# instructions per operation.
#
# usage: bench/hot_paths.sh [BUILD-DIRECTORY]       (default: the current directory)
set -euo pipefail

RUNS=5
build=$(cd "${1:-.}" && pwd)
program=$build/bench/hot_paths
shim=$build/.libs/libarenashim.so
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for ((run = 1; run <= RUNS; run++)); do
    "$program" >>"$work/glibc"
    LD_PRELOAD=$shim "$program" >>"$work/shim"
done

median() {
    sed -n "s/^$2 //p" "$work/$1" | sort -n | sed -n "$(((RUNS + 1) / 2))p"
}

# Instructions of one operation: the difference between two counts, so that start and exit drop out.
instructions() {
    local count totals=()
    for count in 1000 11000; do
        totals+=("$(LD_PRELOAD=$1 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
            "$program" --count "$2" "$count" 2>&1 | sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p')")
    done
    awk -v few="${totals[0]}" -v many="${totals[1]}" 'BEGIN { printf "%.1f", (many - few) / 10000 }'
}

printf '%-16s %10s %10s %18s %18s\n' operation 'glibc ns' 'shim ns' 'glibc instructions' \
    'shim instructions'
for operation in empty_call routed_malloc routed_pair routed_calloc unrouted_pair empty_scope \
    scope_of_8; do
    if command -v valgrind >/dev/null; then
        counts=("$(instructions '' "$operation")" "$(instructions "$shim" "$operation")")
    else
        counts=(- -)
    fi
    printf '%-16s %10s %10s %18s %18s\n' "$operation" "$(median glibc "$operation")" \
        "$(median shim "$operation")" "${counts[@]}"
done

#!/usr/bin/env bash
# Instructions of one operation of each hot path, counted by callgrind: exact, the same in every run
# on any machine with the same compiler and C library.
#
# usage: bench/counts.sh BUILD-DIRECTORY CONTENDER
#
# CONTENDER is glibc, shim, retained (marks that retain), shim+stats or forward. Prints samples
# (bench/sample.h). Two runs are counted, of which the longer makes MORE operations more: their
# difference has no start and no exit in it. What is left besides the operation is its part of the
# loop.
set -euo pipefail
export LC_ALL=C
unset LD_PRELOAD "${!ARENASHIM_@}"

FEW=500 MORE=2000 SIZE=48

usage() {
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
}

if [ $# -ne 2 ] || [ ! -d "$1" ]; then
    usage
fi
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

shim=$build/.libs/libarenashim.so
pairs=(empty_call routed_pair calloc_pair aligned_pair older_first realloc_growth new_delete unrouted_pair)
scopes=(routed_malloc routed_calloc routed_aligned empty_scope pause_resume scope_of_8)
case $2 in
glibc) preload='' cases=(bump_loop arena_alloc "${pairs[@]}") ;;
forward) preload=$build/bench/.libs/libforward.so cases=("${pairs[@]}") ;;
shim) preload=$shim cases=("${pairs[@]}" "${scopes[@]}") ;;
retained)
    preload=$shim cases=(empty_call routed_pair calloc_pair new_delete)
    export ARENASHIM_END=retain
    ;;
shim+stats)
    preload=$shim cases=(empty_call routed_pair "${scopes[@]}")
    export ARENASHIM_STATS=json ARENASHIM_STATS_FILE=$work/statistics
    ;;
*) usage ;;
esac
[ -z "$preload" ] || [ -f "$preload" ] || {
    printf 'counts.sh: %s is not there\n' "$preload" >&2
    exit 1
}

# count CASE TIMES: instructions of a whole run, in a file
count() {
    LD_PRELOAD=$preload valgrind --tool=callgrind --callgrind-out-file="$work/callgrind.%p" \
        "$build/bench/hot_paths" --count "$1" "$2" "$SIZE" 2>&1 |
        sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p' >"$work/$1.$2"
}

export -f count
export work preload build SIZE
for case in "${cases[@]}"; do
    printf '%s\0%s\0' "$case" "$FEW" "$case" $((FEW + MORE))
done | LD_PRELOAD='' xargs -0 -n 2 -P "$(nproc)" bash -c 'count "$@"' -

for case in "${cases[@]}"; do
    size=$SIZE
    case $case in
    empty_call | empty_scope | pause_resume) size=- ;;
    esac
    awk -v name="$case" -v size="$size" -v more="$MORE" '{ count[FNR == NR] = $1 }
        END { if (count[1] == "" || count[0] == "") exit 1
            printf "%s\t%s\t1\tinstructions\t%.1f\n", name, size, (count[0] - count[1]) / more }' \
        "$work/$case.$FEW" "$work/$case.$((FEW + MORE))" || {
        printf 'counts.sh: callgrind counted nothing for %s with %s\n' "$case" "$2" >&2
        exit 1
    }
done

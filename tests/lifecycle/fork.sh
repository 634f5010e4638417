#!/usr/bin/env bash
# Processes made from within scopes: generations of children that go on in the scopes they inherited
# while other threads are at work, what the other threads' arenas cost a child, and every other way
# to start a program. Each process has statistics of its own.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
export limit=120

need cases -O2 fork.c

# each CASE: runs it, with one file of statistics per process
each() {
    rm -f "$tmp"/stats.*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" \
        "$tmp/cases" "$1"
    if [ "$status" -eq 77 ]; then
        skip "$1" 'the threads or /proc are not to be had here'
        return 1
    fi
    is "$1: works" "$status:$out:$err" 0::
}

# processes DESCRIPTION WANTED: how many processes have which statistics, but for "busy" scopes
processes() {
    is "$1" "$(jq -r '([.sites[] | select(.label | test("busy")) | .scopes] | add // 0) as $busy |
        "threads \(.threads), scopes \(.scopes - $busy), left open \(.left_open), misuses \(.misuses), routed \(.routed_calls > 0)"' \
        "$tmp"/stats.* | sort | uniq -c | sed 's/^ *//')" "$2"
}

each generations
# The youngest leave four scopes of their ancestors open, the next two.
processes 'generations: statistics of 16 processes' \
    '5 threads 2, scopes 25, left open 4, misuses 0, routed true
5 threads 2, scopes 27, left open 0, misuses 0, routed true
5 threads 2, scopes 27, left open 2, misuses 0, routed true
1 threads 4, scopes 11, left open 0, misuses 0, routed true'
each left_open
processes 'left open in parent and child: statistics' \
    '2 threads 1, scopes 3, left open 2, misuses 0, routed true'
each from_a_thread
processes 'from a thread: statistics' \
    '1 threads 2, scopes 4, left open 0, misuses 0, routed true
1 threads 2, scopes 9, left open 0, misuses 0, routed true'
if each memory; then
    processes 'memory of other threads: statistics' \
        '1 threads 201, scopes 203, left open 0, misuses 0, routed true
1 threads 21, scopes 110, left open 0, misuses 0, routed true'
    [ -z "${EMULATED-}" ] || skip 'memory of other threads: resident memory' "the memory is the emulator's, too"
fi
# What a child reports is its own, however it was made: not the parent's calls and scopes, nor the
# three threads that were at work there, but what it draws in the scope that the parent has begun.
own='outer 0 51 51, child 3 6 6, thread of a child 5 10 10'
named='outer 0 50 50, child 3 6 6, thread of a child 5 10 10'
counts() {
    rm -f "$tmp"/stats.*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" "$1" \
        "$tmp/cases" "counts_$2"
    is "$1, counts_$2: works" "$status:$out:$err" 0::
    is "$1, counts_$2: the child's statistics" "$(jq -sr '.[] |
        select([.sites[].label] | index("child")) | "\(.threads) threads, \(.routed_calls) calls: " +
        ([.sites[] | "\(.label) \(.scopes) \(.routed_calls) \(.live_at_end + .survivors)"] | join(", "))' \
        "$tmp"/stats.*)" "2 threads, 67 calls: $3"
}
for way in fork of_Fork raw; do
    if [ "$way" = raw ] && [ "$(printf '%s\n' 4.14 "$(uname -r)" | sort -V | head -n 1)" != 4.14 ]; then
        skip 'a child made by the system call alone' 'the kernel wipes no memory in children'
        continue
    fi
    if [ "$way" = of_Fork ] && ! nm -D "$shim" | grep -q ' _Fork$'; then
        skip 'a child of _Fork' 'the C library has none'
        continue
    fi
    counts ARENASHIM_END=reset $way "$own"
    if wraps; then
        counts ARENASHIM_SCOPES='cases!drawing' $way "cases!drawing 1 1 1, $named"
    else
        skip "cases!drawing, counts_$way" 'built without functions by name'
    fi
    counts ARENASHIM_SCOPES=process $way "process 1 0 0, $own"
done
# Threads that are not there any more: their words lie in stacks that are unmapped.
for scopes in process thread; do
    for case in busy_threads gone_threads; do
        under ARENASHIM_SCOPES=$scopes "$tmp/cases" "$case"
        if [ "$status" -eq 77 ]; then
            skip "$scopes: $case" 'libz.so.1 is not to be had here'
            continue
        fi
        is "$scopes: $case" "$status" 0
        routed "$scopes: $case"
    done
done
if each while_growing; then
    processes 'while an arena grows: statistics' \
        '1 threads 3, scopes 3, left open 0, misuses 0, routed true
2 threads 4, scopes 3, left open 0, misuses 0, routed true'
fi
under "$tmp/cases" other_ways
routed 'vfork, posix_spawn, system, popen in a scope'
stat_is 'vfork, posix_spawn, system, popen in a scope: statistics' \
    '"\(.scopes) \(.left_open) \(.misuses)"' '12 0 0'
done_testing

#!/usr/bin/env bash
# Scopes in many threads at once and one after another, across fork, at thread exit and in the
# destructors that run there, and under signals that interrupt the shim.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
# Thousands of signals take a busy machine their time.
export limit=120

need cases -O2 threads.c
need cxx -O2 -std=c++11 threads.cc

under "$tmp/cases" all_at_once
routed '64 threads at once'
stat_is '64 threads at once: exact statistics' '"\(.threads) \(.scopes) \(.routed_calls)"' \
    "65 $((64 * 200 + 1)) $((64 * 200 * 20 + 1))"
stat_is '64 threads at once: one site' '.sites[] | select(.label == "busy") | .scopes' 12800

under "$tmp/cases" one_after_another
routed '2,000 short threads'
stat_is '2,000 short threads: exact statistics' \
    '"\(.threads) \(.scopes) \(.routed_calls) \(.left_open)"' '2001 2001 2001 0'

under "$tmp/cases" too_many
if [ "$status" -eq 77 ]; then
    skip 'more threads than arenas' 'so many threads are not to be had here'
else
    is 'more threads than arenas: all work' "$status" 0
    one_line 'more threads than arenas: one line' 'a thread gets no arena: all slots .* are taken'
    stat_is 'more threads than arenas: the others route' '.threads >= 3000 and .routed_calls >= 3000' true
fi

under "$tmp/cases" fork_in_scope
routed 'fork in a scope'
stat_is 'fork in a scope: nothing is left open' '"\(.left_open) \(.misuses)"' '0 0'

capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/fork.%p" \
    "$tmp/cases" fork_and_exit
is 'fork: works' "$status:$err" 0:
is 'fork: parent and child report what they did themselves' \
    "$(jq -r '"\(.threads) \(.scopes) \(.routed_calls)"' "$tmp"/fork.* | sort)" $'1 2 2\n1 5 5'

under "$tmp/cases" exit_with_open_scopes
routed 'thread exit with open scopes'
# pthread_exit leaves two open, the others three less the marked one.
stat_is 'thread exit with open scopes: all are counted' .misuses 0
check 'thread exit with open scopes: left open' test "$(stat .left_open)" -ge 100
under "$tmp/cases" late_destructor
routed 'a destructor that begins scopes when its arena has a new owner'
under "$tmp/cases" cancelled
routed 'cancelled threads'
stat_is 'cancelled threads: their scopes are counted' .left_open 20

under "$tmp/cases" hand_over
routed 'blocks handed to other threads'
stat_is 'blocks handed to other threads: their frees are ignored' .ignored_frees 50

under "$tmp/cases" signals
if [ "$status" -eq 77 ]; then
    skip 'signal handlers that allocate' 'timers are not to be had here'
else
    routed 'signal handlers that allocate'
    is 'signal handlers that allocate: there were many' "$out" '100 signals'
    stat_is 'signal handlers that allocate: no misuse' '"\(.misuses) \(.left_open)"' '0 0'
fi

for name in stepped stepped_apart; do
    under "$tmp/cases" "$name"
    if [ "$status" -eq 77 ]; then
        skip "a signal after every instruction, $name" 'the processor or the system cannot'
        continue
    fi
    routed "a signal after every instruction, $name"
    is "a signal after every instruction, $name: there were many" "$out" stepped
    stat_is "a signal after every instruction, $name: no misuse" \
        '"\(.misuses) \(.left_open)"' '0 0'
    check "a signal after every instruction, $name: some interrupted the shim" \
        test "$(stat .passed_in_scope.interrupted)" -gt 50
done

under "$tmp/cxx"
routed 'thread_local objects'
is 'thread_local objects: works' "$out" works
done_testing

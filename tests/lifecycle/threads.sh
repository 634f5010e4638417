#!/usr/bin/env bash
# Threads that come and go: key destructors in every round, cancellation in the midst of the shim,
# ten thousand short threads, a thousand at once, and blocks of other threads, living or gone.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 threads.c
export limit=120

# run CASE FILTER WANTED: routed, quiet and with these statistics
run() {
    under "$tmp/cases" "$1"
    if [ "$status" -eq 77 ]; then
        skip "$1" 'so many threads are not to be had here'
        return
    fi
    routed "$1"
    stat_is "$1: statistics" "$2" "$3"
}

# with_memory CASE FILTER WANTED: the same, and the program looks at what is resident
with_memory() {
    run "$@"
    [ -z "${EMULATED-}" ] || skip "$1: resident memory" "the memory is the emulator's, too"
}

# One scope and one block of arena_learn are in all of them.
run key_rounds '"\(.threads) \(.scopes) \(.left_open) \(.misuses) \(.ignored_frees)"' '21 21 20 0 20'
run cancelled_at_work '"\(.threads) \(.misuses) \(.left_open >= 200)"' '401 0 true'
run by_pthread_exit '"\(.threads) \(.misuses) \(.left_open)"' '201 0 200'
with_memory ten_thousand '"\(.threads) \(.scopes) \(.routed_calls) \(.left_open)"' '10001 10001 10001 0'
with_memory thousand_at_once '"\(.threads) \(.scopes) \(.routed_calls)"' '2001 2001 2001'
# Of 100 blocks, in each of 20 rounds, 34 are freed and 50 moved, which does nothing to the owner's; 16
# shrink in place.
run during_the_owners_life '"\(.threads) \(.misuses) \(.ignored_frees)"' '41 0 1680'
run after_the_owners_life '"\(.threads) \(.misuses) \(.ignored_frees)"' '121 0 4000'
done_testing

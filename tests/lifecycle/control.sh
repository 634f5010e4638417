#!/usr/bin/env bash
# Control flow: longjmp out of scopes, handlers that leave by siglongjmp wherever they interrupted
# the shim, timer signals through millions of calls, C++ exceptions, and contexts and coroutines
# that take turns in scopes.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 control.c
export limit=120

# counts DESCRIPTION LEFT_OPEN MISUSES
counts() {
    stat_is "$1: left open, misuses" '"\(.left_open) \(.misuses)"' "$2 $3"
}

# refused CASE LEFT_OPEN MISUSES ERE: it works, with one line
refused() {
    is "$1: works" "$status:$out" 0:
    one_line "$1: one line" "$4"
    counts "$1" "$2" "$3"
}

under "$tmp/cases" by_longjmp
routed by_longjmp
counts by_longjmp $((20 * 5)) 0
under "$tmp/cases" out_of_all
routed out_of_all
counts out_of_all 3 0

under "$tmp/cases" jump_everywhere
if [ "$status" -eq 77 ]; then
    skip 'siglongjmp out of the shim' 'the processor or the system cannot'
else
    routed 'siglongjmp out of the shim'
    is 'siglongjmp out of the shim: at many places' "$out" stepped
    check 'siglongjmp out of the shim: scopes left open are counted' test "$(stat .left_open)" -gt 50
    stat_is 'siglongjmp out of the shim: no misuse' .misuses 0
fi

under "$tmp/cases" timer_signals
if [ "$status" -eq 77 ]; then
    skip 'timer signals' 'timers are not to be had here'
else
    routed 'timer signals'
    is 'timer signals: there were many' "$out" 'millions of calls, thousands of signals'
    stat_is 'timer signals: no misuse' .misuses 0
fi

# ---- contexts ----------------------------------------------------------------------------------

under "$tmp/cases" contexts_that_nest
routed contexts_that_nest
counts contexts_that_nest 0 0
under "$tmp/cases" contexts_in_pauses
routed contexts_in_pauses
counts contexts_in_pauses 0 0
under "$tmp/cases" outer_ends_first
refused outer_ends_first 1 1 'arena_scope_end '
under "$tmp/cases" later_ends_last
refused later_ends_last 1 1 'arena_scope_end of a scope that has ended already'
under "$tmp/cases" to_another_thread
# The guest's scope is closed by the one around it.
refused to_another_thread 1 1 'arena_scope_end with a token of another thread'

# ---- C++ ---------------------------------------------------------------------------------------

# GCC 10 has coroutines behind an option.
if build cxx -O2 -std=c++20 control.cc || build cxx -O2 -std=c++20 -fcoroutines control.cc; then
    for name in exceptions exception_in_another_thread coroutines_that_nest; do
        under "$tmp/cxx" "$name"
        routed "$name"
        counts "$name" 0 0
    done
    under "$tmp/cxx" coroutines_that_cross
    refused coroutines_that_cross 1 1 'arena_scope_end '
else
    skip 'exceptions and coroutines' "$cxx does not take -std=c++20"
fi
done_testing

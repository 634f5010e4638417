#!/usr/bin/env bash
# Scopes of C++ held across co_await (coroutines.cc).
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# GCC 10 has them behind an option.
flags=(-std=c++20 -fno-builtin)
build cases "${flags[@]}" -O2 coroutines.cc || flags+=(-fcoroutines)
build cases "${flags[@]}" -O2 coroutines.cc || plan_skip "$cxx knows no coroutines"

under "$tmp/cases" ends_before
routed 'scopes that end before the coroutine waits'
stat_is '... are as they should be' '"\(.misuses) \(.left_open)"' '0 0'

under "$tmp/cases" other_thread
one_line 'a scope that ends in another thread is told' 'arena_scope_end with a token of another thread'
stat_is '... and counted' '"\(.misuses) \(.left_open)"' '1 1'

under "$tmp/cases" crossed
one_line 'scopes that end in the order of their begins are told' \
    'arena_scope_end of a scope that has ended already'
stat_is '... and counted' '"\(.misuses) \(.left_open)"' '1 1'

# In the order of a stack the shim sees nothing wrong, but for debug switches, at the stack itself.
need slow "${flags[@]}" -O0 coroutines.cc
under "$tmp/cases" held
routed 'a scope that is held while others draw'
stat_is '... is not seen' '"\(.misuses) \(.left_open)"' '0 0'
# clang keeps the coroutine on the stack where it optimizes.
[ ${#clang_flags[@]} -eq 0 ] && holds=cases || holds=slow
under ARENASHIM_DEBUG=poison "$tmp/$holds" held
one_line '... but for ARENASHIM_DEBUG' 'a scope was held while its coroutine waited'
stat_is '... which counts it' '"\(.misuses) \(.left_open)"' '1 0'
for program in cases slow; do
    under ARENASHIM_DEBUG=poison "$tmp/$program" ends_before
    routed "scopes that end before the coroutine waits are right, $program"
    stat_is '... with debug switches, too' .misuses 0
done

under "$tmp/cases" retains
routed 'what others draw while a scope that retains waits'
stat_is '... outlives it' '.misuses' 0
done_testing

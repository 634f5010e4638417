#!/usr/bin/env bash
# Scopes of C++ held across co_await (coroutines.cc).
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

build cases -std=c++20 -O2 -fno-builtin coroutines.cc || plan_skip "$cxx knows no coroutines"

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

under "$tmp/cases" retains
routed 'what others draw while a scope that retains waits'
stat_is '... outlives it' '.misuses' 0
done_testing

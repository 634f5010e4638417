#!/usr/bin/env bash
# free, realloc, malloc_usable_size and arena_scope_keep by the routing table's rows, from the scope
# itself, nested ones, other threads and after the end; and misuse, which is one line and a counter.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# Compilers warn of what the cases do on purpose.
need cases -O2 -w realloc_free.c

# misuse CASE COUNT ERE: the program works, there is one line, and all of them are counted
misuse() {
    under "$tmp/cases" "$1"
    is "$1: the program goes on" "$status" 0
    one_line "$1: one line" "$3"
    stat_is "$1: counted" .misuses "$2"
    check "$1: routed" test "$(stat .routed_calls)" -gt 0
}

for name in $("$tmp/cases"); do
    case $name in
    double_free) misuse "$name" 2 'double free of scope memory at 0x[0-9a-f]+' ;;
    free_of_the_middle) misuse "$name" 1 'free of a pointer into scope memory that is not a block' ;;
    end_without_begin) misuse "$name" 1 'arena_scope_end' ;;
    ended_already) misuse "$name" 1 'arena_scope_end of a scope that has ended already' ;;
    token_of_another_thread)
        misuse "$name" 2 'arena_scope_end with a token of another thread'
        stat_is "$name: nothing is left open" .left_open 0
        ;;
    resume_without_pause) misuse "$name" 1 'arena_scope_resume without arena_scope_pause' ;;
    *)
        under "$tmp/cases" "$name"
        routed "$name"
        stat_is "$name: no misuse, nothing left open" '"\(.misuses) \(.left_open)"' '0 0'
        ;;
    esac
done

# What the statistics say of frees: arena_learn makes one in scope, by keep.
under "$tmp/cases" free_in_scope
stat_is 'frees in the scope are counted' '"\(.freed_in_scope) \(.ignored_frees)"' '7 0'
stat_is 'blocks alive at the end are counted' \
    '.sites[] | select(.label == "free") | .live_at_end' 4
under "$tmp/cases" free_from_other_threads
stat_is 'frees from other threads are counted as ignored' \
    '"\(.freed_in_scope) \(.ignored_frees)"' '1 2'
under "$tmp/cases" free_after_scope
stat_is 'frees after the scope are counted as ignored' \
    '"\(.freed_in_scope) \(.ignored_frees)"' '1 3'
under "$tmp/cases" free_in_inner_scope
stat_is 'a block of an outer scope freed in an inner one is not alive at the end' \
    '[.sites[] | select(.label == "outer" or .label == "inner") | .live_at_end] | add' 3
under "$tmp/cases" realloc_in_scope
stat_is 'reallocs in place are routed calls without a new block' \
    '.routed_calls - ([.sites[].routed_calls] | add)' 4
done_testing

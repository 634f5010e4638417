#!/usr/bin/env bash
# One misuse at a time, with its exact message and exit status: without switches, where it is counted
# and ignored, and with ARENASHIM_DEBUG, where it stops the program.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need misuse -O2 -w -g misuse.c

# said: the last run's stderr, with the addresses taken out
said() {
    sed -E 's/0x[0-9a-f]+/ADDRESS/g; s/ \([^ ]*misuse\.c:[0-9]+\)//' <<<"$err"
}

# ignored CASE COUNT TEXT: goes on after one line, or quietly if TEXT is empty
ignored() {
    local wanted=
    [ -z "$3" ] || wanted="arenashim: $3; ignored (further ones are only counted)"
    under "$tmp/misuse" "$1"
    is "$1: the program goes on" "$status:$out" '0:went on'
    is "$1: message" "$(said)" "$wanted"
    stat_is "$1: counted" .misuses "$2"
    check "$1: routed" test "$(stat .routed_calls)" -gt 0
}

# fatal SWITCHES CASE TEXT: aborts after one line
fatal() {
    under ARENASHIM_DEBUG="$1" "$tmp/misuse" "$2"
    is "$2, $1: aborts" "$status:$out" 134:
    is "$2, $1: message" "$(said)" "arenashim: $3 (ARENASHIM_DEBUG=verify)"
}

# stale CASE TEXT: faults after one line
stale() {
    under ARENASHIM_DEBUG=quarantine "$tmp/misuse" "$1"
    is "$1: faults" "$status:$out" 139:
    is "$1: message" "$(said)" "arenashim: use of scope memory after its end: ADDRESS $2"
    under "$tmp/misuse" "$1"
    is "$1: without the switch nothing is seen" "$status:$out:$err" '0:went on:'
    check "$1: routed" test "$(stat .routed_calls)" -gt 0
}

ignored double_free 1 'double free of scope memory at ADDRESS'
not_a_block='free of a pointer into scope memory that is not a block, ADDRESS'
ignored interior_free 1 "$not_a_block"
ignored misaligned_free 1 "$not_a_block"
ignored foreign_free 1 "$not_a_block"
ignored overrun_by_one 1 "$not_a_block"
ignored overrun_of_header 1 "$not_a_block"
ignored overrun_never_freed 0 ''
ignored write_after_free 0 ''
ignored end_without_begin 1 'arena_scope_end without arena_scope_begin'
ignored double_end 1 'arena_scope_end of a scope that has ended already'
ignored end_of_another_thread 1 'arena_scope_end with a token of another thread'
ignored resume_without_pause 1 'arena_scope_resume without arena_scope_pause'
ignored pause_without_resume 1 \
    "arena_scope_pause without arena_scope_resume before the scope's end"
ignored left_open 0 ''
stat_is 'left_open: counted as such' .left_open 1

fatal verify double_free 'double free of scope memory at ADDRESS'
fatal verify interior_free "$not_a_block"
fatal verify misaligned_free "$not_a_block"
fatal verify foreign_free "$not_a_block"
past='write past the end of a block of'
drew='bytes at ADDRESS that misuse+ADDRESS drew; found'
fatal verify overrun_by_one "$past 24 $drew when it was freed"
fatal verify overrun_of_header \
    'write into the header of the block at ADDRESS; found when a pointer was freed that is no block'
fatal verify overrun_never_freed "$past 40 $drew at the end of its scope"
fatal verify underrun 'write into the header of the block at ADDRESS; found at the end of its scope'
fatal verify overrun_after_shrinking "$past 50 $drew at the end of its scope"
fatal verify overrun_before_shrinking "$past 100 $drew when it was made smaller"
fatal verify,poison write_after_free \
    "write after free to a block of 24 $drew at the end of its scope"
# The same where scopes retain: freed blocks and blocks that survive are looked at, too.
export ARENASHIM_END=retain
for switches in verify verify,poison; do
    fatal $switches overrun_by_one "$past 24 $drew when it was freed"
    fatal $switches overrun_never_freed "$past 40 $drew at the end of a scope"
    fatal $switches overrun_of_aligned "$past 100 $drew at the end of a scope"
    fatal $switches overrun_of_large "$past 200000 $drew at the end of a scope"
    fatal $switches overrun_of_survivor "$past 40 $drew at the end of a scope"
done
fatal verify,poison write_after_free \
    "write after free to a block of 24 $drew at the end of a scope"
fatal verify,poison write_after_free_of_aligned \
    "write after free to a block of 100 $drew at the end of a scope"
fatal verify,poison write_after_free_and_much \
    "write after free to a block of 24 $drew before its memory is used again"
fatal verify,poison write_after_free_in_thread \
    "write after free to a block of 24 $drew at the end of its thread"
unset ARENASHIM_END

fatal verify,quarantine overrun_by_one "$past 24 $drew when it was freed"

# The address that drew the block is in the program, at the line that called malloc.
if have addr2line; then
    under ARENASHIM_DEBUG=verify "$tmp/misuse" overrun_never_freed
    [[ $err =~ misuse\+(0x[0-9a-f]+) ]]
    line=$(addr2line -e "$tmp/misuse" "$(printf '0x%x' $((BASH_REMATCH[1] - 1)))")
    like 'the message leads to the call' "$line" \
        "misuse\.c:$(grep -n 'malloc(40)), .x' "$here/misuse.c" | cut -d: -f1)"
else
    skip 'the message leads to the call' 'addr2line is not installed'
fi

block='in a block of 24 bytes at ADDRESS that misuse+ADDRESS drew in scope'
stale stale_read "$block 'stale'"
stale stale_write_nested "$block 'inner'"
stale stale_of_a_dead_thread "$block 'of a thread'"
stale stale_realloc "$block 'resized'"
stale stale_beside "in memory of scope 'beside'"
under ARENASHIM_DEBUG=quarantine "$tmp/misuse" stale_read
like 'stale_read: the site of the scope' "$err" \
    "'stale' \([^ ]*misuse\.c:$(grep -n 'ARENA_SCOPE("stale")' "$here/misuse.c" | cut -d: -f1)\)\$"
under ARENASHIM_DEBUG=quarantine ARENASHIM_CAPACITY=16K ARENASHIM_LIMIT=1M "$tmp/misuse" \
    stale_across_a_round
is 'stale_across_a_round: faults' "$status:$(said)" \
    '139:arenashim: stray access to an arena: ADDRESS'
for switches in quarantine verify,poison,quarantine; do
    under ARENASHIM_DEBUG=$switches "$tmp/misuse" stale_free
    is "stale_free, $switches: ignored" "$status:$out:$err" '0:went on:'
    stat_is "stale_free, $switches: counted" '"\(.ignored_frees) \(.misuses)"' '3 0'
done

# The program's own handler, installed later, has the last word; one installed earlier gets it.
need handlers -O2 -w handlers.c
for order in before after; do
    under ARENASHIM_DEBUG=quarantine "$tmp/handlers" "$order"
    is "a handler of the program's own, $order" "$status:$out" 3:handled
done
under ARENASHIM_DEBUG=quarantine "$tmp/handlers" sent
is 'SIGSEGV that was sent is no fault' "$status:$err" 139:
done_testing

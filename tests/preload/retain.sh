#!/usr/bin/env bash
# Scopes that retain what is alive at their end, in programs that leave blocks alive (retain.c):
# contents, the memory that survivors and large scopes keep, frees by others, statistics,
# overflow, signals, misuse.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 -fno-builtin retain.c
need fixed -O2 -fno-builtin -fno-pie -no-pie retain.c
need library.so -O2 -fno-builtin -shared -fPIC -Dmain=library_main retain.c
echo 'int library_main(int, char **); int main(int c, char **v) { return library_main(c, v); }' \
    >"$tmp/caller.c"
need caller "$tmp/caller.c" "$tmp/library.so" -Wl,-rpath,"$tmp"

retain() {
    under ARENASHIM_END=retain "$@"
}

# ---- memory --------------------------------------------------------------------------------------

capture "$tmp/cases" leave_one_each 1000000
alone=$out
retain "$tmp/cases" leave_one_each 1000000
routed '1,000,000 scopes that leave a block each'
check "... need at most 1.5 times the memory they need without the shim ($out, $alone kB)" \
    test "$out" -le $((alone * 3 / 2))

capture "$tmp/cases" leave_in_one_scope 20000
alone=$out
retain "$tmp/cases" leave_in_one_scope 20000
routed 'one scope that lasts and leaves 20,000 blocks'
check "... keeps at most twice the capacity more than they need without the shim ($out, $alone kB)" \
    test "$out" -le $((alone + 2048))

# A large scope before, too.
for capacity in 64 1024 4096; do
    for large in 0 200; do
        retain ARENASHIM_CAPACITY=${capacity}K "$tmp/cases" fill_and_measure "$large" $((capacity / 2))
        routed "scopes without survivors, capacity ${capacity}K, after one of $large MB"
        check "... keep at most the capacity and a chunk ($out)" test "$out" -le $(((capacity + 32) * 1024))
    done
done
retain ARENASHIM_CAPACITY=4M "$tmp/cases" fill_and_measure 0 3000
check '... and keep what lies within the capacity' test "$out" -ge 2500000

# The blocks of a round take about 22 chunks and 8 runs of 2.
for who in owner scope thread after_death heirs child; do
    retain ARENASHIM_CAPACITY=16M "$tmp/cases" use_again "$who"
    routed "survivors freed by: $who"
    check "... are used again ($out chunks in all)" test "$out" -le 120
    stat_is '... and none is dropped' '[.sites[].live_at_end] | add' 0
done
retain ARENASHIM_CAPACITY=16M "$tmp/cases" any_order
routed 'a long scope that allocates and frees in any order'
check "... uses chunks again ($out)" test "$out" -le 64
retain "$tmp/cases" trimmed
routed 'malloc_trim'
is '... takes what free chunks hold, each time' "$out" '1 1 1'
for capacity in 64K 64M; do
    retain ARENASHIM_CAPACITY=$capacity "$tmp/cases" realloc_everywhere
    routed "realloc of survivors, capacity $capacity"
done

# ---- statistics ----------------------------------------------------------------------------------

retain "$tmp/cases" counted
routed 'counts'
site='.sites[] | select(.label == "counted")'
stat_is '... survivors' "$site | .survivors" 30
stat_is '... bytes' "$site | .bytes_pinned >= 65536 and .bytes_pinned <= 163840" true
stat_is '... what was dropped' "$site | .live_at_end" 0
stat_is '... calls' "$site | .routed_calls" 50
stat_is '... frees by others and after the scope' .late_frees 11
stat_is '... frees in scopes' .freed_in_scope 20
stat_is '... no misuse' .misuses 0
retain ARENASHIM_STATS=1 "$tmp/cases" counted
for line in 'survivors +30 blocks alive' 'pinned by them +[0-9]+ bytes' 'late frees +11 '; do
    like "... as text: $line" "$(<"$tmp/stats")" "$line"
done
retain "$tmp/cases" freed_inside
stat_is 'what an inner scope frees is no survivor' '[.sites[].survivors]' '[
  1,
  0
]'

# ---- overflow ------------------------------------------------------------------------------------

# 1 MiB holds so many blocks of 5000 bytes, which take 5120 each, in runs of pages.
fitting=$((1048576 / 5120))
retain ARENASHIM_CAPACITY=1M ARENASHIM_OVERFLOW=error "$tmp/cases" overflowing 300 5000
routed 'overflow: error'
is '... what fits is drawn' "$out" "$fitting $((300 - fitting))"
stat_is '... and the rest counted' '"\(.overflows) \(.fallbacks)"' "$((300 - fitting)) 0"
retain ARENASHIM_CAPACITY=1M ARENASHIM_OVERFLOW=fallback "$tmp/cases" overflowing 300 5000
routed 'overflow: fallback'
stat_is '... what fits is drawn' '"\(.overflows) \(.fallbacks) \(.routed_calls)"' \
    "$((300 - fitting)) $((300 - fitting)) $fitting"
retain ARENASHIM_CAPACITY=1M "$tmp/cases" overflowing 300 5000
stat_is 'overflow: grow' '.overflows > 0 and .fallbacks == 0 and .routed_calls == 300' true
capacity=$(stat .recommended_capacity_bytes)
retain ARENASHIM_CAPACITY="$capacity" "$tmp/cases" overflowing 300 5000
stat_is '... the recommended capacity is enough' '"\(.overflows) \(.fallbacks)"' '0 0'
retain ARENASHIM_CAPACITY=1M ARENASHIM_LIMIT=1M "$tmp/cases" overflowing 300 5000
routed 'overflow: grow, at the limit'
stat_is '... what fits is drawn' '.overflows == .fallbacks and .routed_calls == 300 - .fallbacks and
    .fallbacks >= 90 and .fallbacks < 125' true
ulimit -c 0
retain ARENASHIM_CAPACITY=1M ARENASHIM_OVERFLOW=abort "$tmp/cases" overflowing 300 5000 2>/dev/null
is 'overflow: abort' "$status" $((128 + 6))
one_line '... says what is left' \
    "overflow: 5000 bytes do not fit in the 0 left of a capacity of 1048576; scope 'overflowing'"
for policy in error fallback; do
    retain ARENASHIM_CAPACITY=1M ARENASHIM_OVERFLOW=$policy "$tmp/cases" emptied_elsewhere
    routed "overflow: $policy, where another thread frees"
    # Making a thread is a call more with glibc.
    stat_is '... what it has freed is used again' '"\(.overflows) \(.routed_calls >= 40)"' '0 true'
done

# ---- signals -------------------------------------------------------------------------------------

# A step costs a trap, milliseconds on a loaded virtual machine.
limit=120 retain ARENASHIM_CAPACITY=64M "$tmp/cases" at_each_step 7
if [ "$status" -eq 77 ]; then
    skip 'a signal handler at any instruction' 'not on this processor'
else
    routed 'a signal handler at any instruction'
    check "... was there ($out)" test "$out" -gt 4000
fi
retain ARENASHIM_CAPACITY=64M "$tmp/cases" under_alarms 20000
if [ "$status" -eq 77 ]; then
    skip 'signals of a timer' 'no timer'
else
    routed 'signals of a timer'
fi

# ---- misuse --------------------------------------------------------------------------------------

retain "$tmp/cases" misused twice
one_line 'a double free' 'double free'
retain "$tmp/cases" misused inside
one_line 'a free inside a block' 'not a block'
retain "$tmp/cases" misused large
one_line 'a free inside a large block' 'not a block'
stat_is '... counted, and not taken for one' '"\(.misuses) \(.late_frees)"' '2 1'
for where in overrun overrun_late; do
    retain ARENASHIM_DEBUG=poison,verify "$tmp/cases" misused $where 2>/dev/null
    is "an $where: the end" "$status" $((128 + 6))
    one_line '... found at its free' \
        'write past the end of a block of 100 bytes at 0x[0-9a-f]+ that cases\+0x[0-9a-f]+ drew; found when it was freed'
done
retain ARENASHIM_DEBUG=log "$tmp/cases" counted
is 'ARENASHIM_DEBUG=log: a line for each scope' "$(wc -l <"$tmp/err")" 11
like '... with its survivors' "$(head -n 1 "$tmp/err")" \
    "^arenashim: scope 'counted' \(.*retain\.c:[0-9]+\) ends at depth 1 of arena 0: 3 blocks survive, [0-9]+ bytes in use$"
like '... each its own' "$(tail -n 1 "$tmp/err")" "'freeing' .* depth 1 of arena 0: 0 blocks survive"
for debug in poison verify poison,verify; do
    for case in realloc_everywhere any_order 'use_again thread' 'use_again child' 'leave_one_each 10000'; do
        # shellcheck disable=SC2086
        retain ARENASHIM_DEBUG=$debug ARENASHIM_CAPACITY=16M "$tmp/cases" $case
        routed "ARENASHIM_DEBUG=$debug: $case"
    done
done
done_testing

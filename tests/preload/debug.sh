#!/usr/bin/env bash
# ARENASHIM_DEBUG on correct programs: they run as without, in every combination of switches; what
# each switch promises about memory and messages; and nothing of it is there when it is off.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need debug -O2 debug.c

for switches in poison quarantine verify poison,verify poison,quarantine verify,quarantine \
    poison,quarantine,verify; do
    for name in patterns nested nested_in_retaining zeroed_to_the_end deep many aligned threads forks rounds; do
        limit_of=1G
        [[ $name != @(rounds|nested_in_retaining) ]] || limit_of=16M
        under ARENASHIM_DEBUG=$switches ARENASHIM_LIMIT=$limit_of "$tmp/debug" "$name"
        routed "$switches: $name"
        stat_is "$switches: $name: no misuse" '"\(.misuses) \(.left_open)"' '0 0'
    done
    under ARENASHIM_DEBUG=$switches ARENASHIM_STATS_FILE="$tmp/stats.%p" \
        "$tmp/debug" fork_beside_nested
    is "$switches: a child takes over the arena of a thread in nested scopes" "$status:$err" 0:
    under ARENASHIM_DEBUG=$switches ARENASHIM_ALIGN=64 ARENASHIM_CAPACITY=16K "$tmp/debug" nested
    routed "$switches, small and aligned: nested"
    under ARENASHIM_DEBUG=$switches "$tmp/debug" jumps
    routed "$switches: handlers jump out of scopes"
    under ARENASHIM_DEBUG=$switches ARENASHIM_SCOPES=process "$tmp/debug" threads
    if [[ $switches = *quarantine* ]]; then
        one_line "$switches, the process a scope: one line" 'quarantine: scopes that retain drop nothing'
        err=''
    fi
    routed "$switches, the process a scope: threads"
done

# The counts of the statistics are those of a run without.
counts='"\(.scopes) \(.routed_calls) \(.routed_bytes) \(.freed_in_scope) \(.sites | map(.live_at_end))"'
under "$tmp/debug" many
wanted=$(stat "$counts")
for switches in poison quarantine verify log; do
    under ARENASHIM_DEBUG=$switches "$tmp/debug" many
    stat_is "$switches: the same counts" "$counts" "$wanted"
done

for name in fresh released; do
    under ARENASHIM_DEBUG=poison "$tmp/debug" "poison_$name"
    routed "poison: $name bytes have a pattern"
    under "$tmp/debug" "poison_$name"
    is "without poison: $name bytes have none" "$status" 1
done
small=(ARENASHIM_CAPACITY=64K ARENASHIM_LIMIT=64K)
for switches in poison poison,quarantine poison,quarantine,verify; do
    for name in past_half too_small; do
        under "${small[@]}" ARENASHIM_DEBUG=$switches "$tmp/debug" "poison_$name"
        is "$switches, $name: so has what is not put away" "$status:$(stat .misuses)" 0:0
        check "$switches, $name: routed" test "$(stat .routed_calls)" -gt 0
    done
done
too_small='cannot put scopes of [0-9]+ bytes away: the limit of 65536 bytes is too small'
one_line 'quarantine: an arena that is too small is said to be' \
    "$too_small; ARENASHIM_LIMIT=[0-9]+ would do\$"
wanted=$(grep -o 'ARENASHIM_LIMIT=[0-9]*' <<<"$err")
under "${small[@]}" "$wanted" ARENASHIM_DEBUG=poison,quarantine "$tmp/debug" poison_too_small
is 'quarantine: the limit that would do does' "$status" 139
one_line 'quarantine: the limit that would do does, message' 'use of scope memory after its end'
for align in 16 64; do
    for name in many_inside many_outermost; do
        under ARENASHIM_ALIGN=$align ARENASHIM_DEBUG=quarantine "$tmp/debug" "$name"
        routed "quarantine: mappings are left for others: $name, aligned to $align"
    done
done
under ARENASHIM_DEBUG=quarantine "$tmp/debug" not_used_again
routed 'quarantine: addresses do not come again'
under "$tmp/debug" not_used_again
is 'without quarantine: addresses come again' "$status" 1

# What the switches put around the program's bytes takes nothing of its limit.
small+=(ARENASHIM_OVERFLOW=error)
for align in 16 64; do
    under "${small[@]}" ARENASHIM_ALIGN=$align "$tmp/debug" fills_up
    wanted=$out
    for switches in log verify poison,quarantine,verify; do
        under "${small[@]}" ARENASHIM_ALIGN=$align ARENASHIM_DEBUG=$switches "$tmp/debug" fills_up
        check "$switches, aligned to $align: as many blocks fit" test "$out" -ge "$wanted"
    done
done

under ARENASHIM_DEBUG=log "$tmp/debug" logged
is 'log: a line for each scope' "$(sed -E 's/\([^ ]*:/(/' <<<"$err")" "$(
    cat <<'LINES'
arenashim: scope 'inner' (11) ends at depth 2 of arena 0: 2 blocks, 30 bytes, 1 not freed
arenashim: scope 'empty' (12) ends at depth 2 of arena 0: 0 blocks, 0 bytes, 0 not freed
arenashim: scope 'outer' (10) ends at depth 1 of arena 0: 1 blocks, 100 bytes, 1 not freed
LINES
)"
is 'log: the program works' "$status" 0
done_testing

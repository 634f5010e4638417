#!/usr/bin/env bash
# Marks that ask for a scope that retains: what they draw stays, whatever the process's other marks do
# (retaining.c).
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 -fno-builtin retaining.c

mapfile -t names < <("$tmp/cases")
check 'there are cases' test ${#names[@]} -ge 6
for name in "${names[@]}"; do
    for setting in ARENASHIM_ALIGN=16 ARENASHIM_END=reset ARENASHIM_END=retain ARENASHIM_SCOPES=process \
        ARENASHIM_DEBUG=poison,verify; do
        limit=120 under "$setting" "$tmp/cases" "$name"
        if [ "$status" -eq 77 ]; then
            skip "$name, $setting" 'not on this processor'
            continue
        fi
        routed "$name, $setting"
        stat_is "$name, $setting: nothing is misuse" '"\(.misuses) \(.left_open)"' '0 0'
    done
done

under "$tmp/cases" survives
stat_is 'what is alive at the end survives' '.sites[] | select(.label == "retains").survivors' 2000
stat_is '... and marks that drop still do' '.sites[] | select(.label == "drops").live_at_end' 200000
done_testing

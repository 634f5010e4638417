#!/usr/bin/env bash
# Prints which function of xmllint handles one file, as a scope's name: 'xmllint!+0x9e50'. xmllint has
# no symbols; its functions are those for which it tells how to unwind the stack. Each becomes a scope
# while xmllint reads three small files, and of those called three times the one in which most is drawn
# is it.
#
# usage: bench/programs/named.sh BUILD-DIRECTORY [XMLLINT]
#
# Status 1, with a line, when there is none, or readelf (Debian: binutils) is missing.
set -euo pipefail
export LC_ALL=C
unset LD_PRELOAD "${!ARENASHIM_@}"

FILES=3

[ $# -ge 1 ] || {
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
}
build=$(cd "$1" && pwd)
program=${2:-$(command -v xmllint)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

files=()
for ((i = 1; i <= FILES; i++)); do
    echo "<a><b>$i</b></a>" >"$work/$i.xml"
    files+=("$work/$i.xml")
done

# The start of the program is no function: what lies on the stack there is not its caller's.
entry=$(readelf -h "$program" | sed -n 's/.*Entry point address: *0x//p')
readelf -wf "$program" | sed -n 's/.* FDE .*pc=0*\([0-9a-f]*\)\.\..*/\1/p' | grep -vx "$entry" |
    sed 's/^/retain:main!+0x/' >"$work/functions"

"$build/arenashim" run --scope-file "$work/functions" --stats=json \
    --stats-file "$work/stats" -- "$program" --noout "${files[@]}" >"$work/out" 2>&1 || {
    cat "$work/out" >&2
    exit 1
}
jq -er --argjson files "$FILES" '[.sites[] | select(.scopes == $files)] | max_by(.routed_calls)
    | .label // empty' "$work/stats" || {
    printf 'named.sh: no function of %s is called once a file\n' "$program" >&2
    exit 1
}

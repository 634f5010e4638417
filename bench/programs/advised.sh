#!/usr/bin/env bash
# Measures a whole program as bench/process does, with what `arenashim advise` recommends for it: the
# first time, and with --verify, it asks for the advice. Where the answer is that no scope pays, the
# program runs as it is.
#
# usage: bench/programs/advised.sh BUILD-DIRECTORY --name CASE --size SIZE --threads N
#                                  -- PROGRAM [ARGUMENT...] [--verify]
set -euo pipefail
export LC_ALL=C

[ $# -ge 9 ] || {
    sed -n '/^# usage/,/^set/s/^# //p' "$0" >&2
    exit 2
}
build=$1
options=("${@:2:6}")
advice=$build/bench/advised/$3-$5
command=("${@:9}")

verify=''
if [ "${command[-1]}" = --verify ]; then
    verify=--verify
    unset 'command[-1]'
fi
if [ -n "$verify" ] || ! [ -e "$advice" ]; then
    mkdir -p "$build/bench/advised"
    env -u ARENASHIM_STATS -u ARENASHIM_STATS_FILE "$build/arenashim" advise --runs 5 --quiet \
        --json "$advice.json" -- "${command[@]}" >"$advice.txt"
    jq -r '.recommended.environment // {} | to_entries[] | "\(.key)=\(.value)"' "$advice.json" \
        >"$advice.new"
    mv "$advice.new" "$advice"
fi

if [ -s "$advice" ]; then
    mapfile -t environment <"$advice"
    export "${environment[@]}"
    options+=(--preload "$build/.libs/libarenashim.so")
fi
exec "$build/bench/process" "${options[@]}" -- "${command[@]}" ${verify:+"$verify"}

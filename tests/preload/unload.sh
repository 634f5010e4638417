#!/usr/bin/env bash
# A library that begins scopes participates; one that the loader puts in its place after dlclose
# does not.
set -u
# shellcheck source=tests/tap.sh
. "${srcdir:-.}/tests/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=${srcdir:-.}/tests/preload/unload.c
shim=$ARENASHIM_SHIM_PATH
unset ARENASHIM_SHIM_PATH ARENASHIM

# shellcheck disable=SC2086,SC2317 # CC may hold options; called by check
build() {
    $CC -O1 -I"${srcdir:-.}/include" "$@" "$source"
}

check 'the first library compiles' build -DMARKED -fPIC -shared -o "$work/marked.so"
check 'the second library compiles' build -DKEEPING -fPIC -shared -o "$work/keeping.so"
check 'the program compiles' build -o "$work/host"

out=$(LD_PRELOAD=$shim ARENASHIM_STATS=text ARENASHIM_STATS_FILE=$work/stats \
    "$work/host" "$work/marked.so" "$work/keeping.so" 2>&1)
if [ "${out%%$'\n'*}" = elsewhere ]; then
    skip 'what the second library keeps is its own' 'the loader chose other addresses'
else
    is 'what the second library keeps is its own' "$out" precious
fi
like 'the shim was in the path' "$(cat "$work/stats")" 'routed calls +[1-9]'
done_testing

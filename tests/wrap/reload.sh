#!/usr/bin/env bash
# Libraries with named functions that come and go: every call is caught each time, wherever the library
# lies, and nothing is left behind of one that is unloaded, whether its functions' entries are patched
# or what is bound to them.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need reload -O1 reload.c

for i in {0..499}; do
    echo "volatile int x$i; int fn_$i(int a) { x$i = a; return x$i + $i; }"
done >"$tmp/entries.c"
# The head of a loop cannot be overwritten.
{
    echo '#include "loop.h"'
    printf 'LOOP("fn_%d")\n' {0..499}
} >"$tmp/loops.c"
need entries.so -O1 -fPIC -shared "$tmp/entries.c"
need loops.so -O1 -I"$here" -fPIC -shared -Wl,-Bsymbolic "$tmp/loops.c"
cp "$tmp/entries.so" "$tmp/other.so"
for i in {1..160}; do
    cp "$tmp/entries.so" "$tmp/new$i.so"
done

# reloaded DESCRIPTION SPECS OVERLAP MOVE FILE...
reloaded() {
    local description=$1
    under ARENASHIM_SCOPES="$2" "$tmp/reload" "${@:3}"
    is "$description: works, quietly" "$status:$err" 0:
    if [ -z "${EMULATED-}" ]; then
        check "$description: grows by less than 1 MiB (${out:-nothing} KiB)" test "${out:-9999}" -lt 1024
    else
        skip "$description: grows" "the memory is the emulator's, too"
    fi
    stat_is "$description: every call is a scope" .scopes 80000
}
entries=$tmp/entries.so
reloaded 'patched entries' 'entries.so!fn_*' 0 0 "$entries"
stat_is 'patched entries: each function is a site' '[.sites[].scopes] | "\(length) \(min) \(max)"' \
    '500 160 160'
reloaded 'patched entries, elsewhere' 'entries.so!fn_*' 0 1 "$entries"
reloaded 'two libraries in turn, of which one is always there' '*.so!fn_*' 1 1 "$entries" "$tmp/other.so"
reloaded 'a new name each time' 'new*.so!fn_*' 0 1 "$tmp"/new*.so
stat_is 'a new name each time: what has no site of its own is counted' \
    '.sites | "\(length) \([.[] | select(.label == "(further sites)").scopes > 70000] | length)"' '512 1'
reloaded 'bindings' 'loops.so!fn_*' 0 0 "$tmp/loops.so"
reloaded 'bindings, elsewhere' 'loops.so!fn_*' 0 1 "$tmp/loops.so"
done_testing

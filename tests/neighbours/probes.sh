#!/usr/bin/env bash
# The probes for tracers: each is in the file, is passed when what it is named for happens, and says so
# with the arguments that libarenashim(7) describes.
#
# shellcheck disable=SC2154,SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have readelf || plan_skip 'readelf is not installed'
notes=$(readelf -n "$shim" 2>/dev/null | sed -n '/Provider: arenashim/{n;s/.*Name: //p}')
[ -n "$notes" ] || plan_skip 'the shim was built without probes (sys/sdt.h)'
is 'the probes in the library' "$(sort -u <<<"$notes" | xargs)" \
    'first_scope misuse overflow refill survivor trim'

have gdb || plan_skip 'gdb is not installed'
unset DEBUGINFOD_URLS
need probed -g -O1 probed.c

# watch VARIABLE=VALUE...: sets out to what the program passed, one probe a line
watch() {
    local setting commands=()
    for setting in ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" LD_PRELOAD="$shim" "$@"; do
        commands+=(-iex "set environment ${setting/=/ }")
    done
    rm -f "$tmp/stats"
    capture gdb -nx -q -batch -iex 'set startup-with-shell off' "${commands[@]}" -ex 'break main' \
        -ex run -x "$tmp/probes.gdb" -ex continue "$tmp/probed"
    [[ $out = *works* ]] || plan_skip 'gdb cannot run a program here'
    out=$(sed -n 's/^probe //p' <<<"$out")
}

# probe NAME FORMAT ARGUMENT...
probe() {
    printf 'break -probe-stap arenashim:%s\ncommands\nsilent\nprintf "probe %s %s\\n"' "$1" "$1" "$2"
    shift 2
    printf ', %s' "$@"
    printf '\ncontinue\nend\n'
}
{
    probe first_scope '%d %d' '(int)$_probe_arg0' '(int)$_probe_arg1 > 0'
    probe refill '%d %lu' '(int)$_probe_arg0' '$_probe_arg1'
    probe overflow '%s %lu %lu' '(char *)$_probe_arg0' '$_probe_arg1' '$_probe_arg2'
    probe survivor '%s %ld %lu' '(char *)$_probe_arg0' '$_probe_arg1' '$_probe_arg2'
    probe misuse '%s %lu' '(char *)$_probe_arg0' '$_probe_arg1'
    probe trim '%d %lu' '$_probe_arg0 != 0' '$_probe_arg1'
} >"$tmp/probes.gdb"

watch ARENASHIM_CAPACITY=64K
check 'scopes that drop: routed' test "$(stat .routed_calls)" -gt 1
is 'scopes that drop: what happened, in turn' "$out" "refill 0 65536
first_scope 0 1
overflow probed 3145728 3146752
refill 0 3149824
misuse arena_scope_end of a scope that has ended already 0
trim 1 3084288
trim 1 65536"

watch ARENASHIM_END=retain
check 'scopes that retain: routed' test "$(stat .routed_calls)" -gt 1
like 'scopes that retain: a refill' "$out" '^refill 0 65536$'
like 'scopes that retain: a survivor' "$out" '^survivor probed 1 65536$'
like 'scopes that retain: a trim' "$out" '^trim 1 [1-9][0-9]*$'
done_testing

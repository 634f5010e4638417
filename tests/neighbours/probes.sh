#!/usr/bin/env bash
# The probes for tracers: each is in the file, is passed when what it is named for happens, and says so
# with the arguments that libarenashim(7) describes.
#
# shellcheck disable=SC2154,SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have readelf || plan_skip 'readelf is not installed'
# Name and number of arguments, of each place.
notes=$(readelf -nW "$shim" 2>/dev/null | sed -n '/Provider: arenashim/{n;s/.*Name: //;h;n;n;s/.*Arguments://;H;g;s/\n/ /;p}' |
    awk '{ print $1, NF - 1 }')
[ -n "$notes" ] || plan_skip 'the shim was built without probes (sys/sdt.h)'
is 'the probes in the library are those in the manual, with as many arguments' "$(sort -u <<<"$notes")" \
    "$(sed -n '/^The library holds probes/,/^\.El/s/^\.It Ic \([a-z_]*\) Ar/\1/p' "$source_dir/man/libarenashim.7.in" |
        awk '{ print $1, NF - 1 }' | sort)"
need probed -g -O1 probed.c

# What happens in it, in turn, in scopes that drop.
dropping='refill 0 65536
first_scope 0 1
overflow probed 3145728 3146752
refill 0 3149824
misuse arena_scope_end of a scope that has ended already 0
trim 1 3084288
trim 1 65536'

# ---- bpftrace ------------------------------------------------------------------------------------

# A copy of the library, which no other test runs.
traced=$tmp/libarenashim.so
cp "$shim" "$traced"
for probe in 'overflow %s %lu %lu", str(arg0), arg1, arg2' 'first_scope %d %d", arg0, arg1 > 0' \
    'refill %d %lu", arg0, arg1' 'survivor %s %ld %lu", str(arg0), arg1, arg2' \
    'misuse %s %lu", str(arg0), arg1' 'trim %d %lu", arg0 != 0, arg1'; do
    printf 'usdt:%s:arenashim:%s { printf("%s); printf("\\n"); }\n' "$traced" "${probe%% *}" "$probe"
done >"$tmp/probes.bt"
printf 'BEGIN { printf("begun\\n"); }\nusdt:%s:arenashim:trim /arg1 == 65536/ { exit(); }\n' "$traced" >>"$tmp/probes.bt"
if have bpftrace; then
    timeout 60 bpftrace "$tmp/probes.bt" >"$tmp/traced" 2>"$tmp/refused" &
    until grep -q begun "$tmp/traced" || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
fi
if ! have bpftrace; then
    skip 'what bpftrace is told' 'bpftrace is not installed'
elif ! grep -q begun "$tmp/traced"; then
    skip 'what bpftrace is told' "bpftrace cannot trace here: $(tail -n 1 "$tmp/refused")"
else
    shim=$traced under ARENASHIM_CAPACITY=64K "$tmp/probed"
    wait $!
    is 'what bpftrace is told' "$(sed '/^Attaching/d; /^begun/d; /^$/d' "$tmp/traced")" "$dropping"
fi

# ---- gdb -----------------------------------------------------------------------------------------

if ! have gdb; then
    skip 'what gdb is told' 'gdb is not installed'
    done_testing
fi
unset DEBUGINFOD_URLS

# watch VARIABLE=VALUE...: sets out to what the program passed, one probe a line
watch() {
    local setting commands=()
    for setting in ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" LD_PRELOAD="$shim" "$@"; do
        commands+=(-iex "set environment ${setting/=/ }")
    done
    rm -f "$tmp/stats"
    capture gdb -nx -q -batch -iex 'set startup-with-shell off' "${commands[@]}" -ex 'break main' \
        -ex run -x "$tmp/probes.gdb" -ex continue "$tmp/probed"
    if [[ $out != *works* ]]; then
        skip 'what gdb is told' 'gdb cannot run a program here'
        done_testing
    fi
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
is 'scopes that drop: what happened, in turn' "$out" "$dropping"

watch ARENASHIM_END=retain
check 'scopes that retain: routed' test "$(stat .routed_calls)" -gt 1
like 'scopes that retain: a refill' "$out" '^refill 0 65536$'
like 'scopes that retain: a survivor' "$out" '^survivor probed 1 65536$'
like 'scopes that retain: a trim' "$out" '^trim 1 [1-9][0-9]*$'
done_testing

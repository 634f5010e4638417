#!/usr/bin/env bash
# arenashim top on programs with known scopes: what it shows, as text, as JSON and on a terminal, while
# threads come and go; and what it says of a process that it cannot show.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need watched -g -O1 watched.c

container=()

# start [VARIABLE=VALUE...] WHAT: runs the program, with `preloaded` or the shim, until finish; sets pid and
# answer, its first line
start() {
    local what=${!#}
    coproc program { exec "${container[@]}" env LD_PRELOAD="${preloaded-$shim}" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "${@:1:$#-1}" "$tmp/watched" "$what"; }
    pid=$program_PID
    answer=none
    read -r -t 20 answer <&"${program[0]}" || :
}

finish() {
    local input=${program[1]}
    exec {input}>&-
    wait "$pid"
}

top() {
    capture "$arenashim" top "$@"
}

# shown FILTER: what the jq filter makes of the last --json
shown() {
    jq -cS "$1" "$tmp/out"
}

refused() {
    one_line "$1" "$2"
    is "$1: status" "$status" 125
}

line() {
    sed -n "/$1/=" "$here/watched.c"
}

# ---- what it shows -----------------------------------------------------------------------------

start still
top --json --interval=0.2 "$pid"
[[ $err != *'may not be looked into'* ]] || plan_skip "processes may not be looked into here"
is 'as JSON' "$status:$err:$(shown '[.pid, .program, .threads_with_arena, .scopes_open]')" \
    "0::[$pid,\"watched\",3,3]"
scopes='[.threads[] | [.routed_calls, .routed_bytes, .steady, [.open_scopes[] | [.label, .line, .paused]]]] | sort'
is 'threads and their open scopes' "$(shown "$scopes")" \
    "[[1,5000,true,[[\"worker\",$(line '"worker"'),false]]],\
[4,7000,true,[[\"outer ä????\",$(line '"outer'),false],[\"inner\",$(line '"inner"'),true]]],[10,1000,true,[]]]"
is 'sites' "$(shown '[.sites[] | [.label, .open, .scopes, .routed_calls, .routed_bytes]] | sort')" \
    '[["inner",1,1,3,6000],["outer ä????",1,1,1,1000],["over",0,1,10,1000],["worker",1,1,1,5000]]'
is 'names, without what terminals obey' "$(shown '[.threads[].name] | sort')" '["over?[31m?","watched","watched"]'
is 'arenas' "$(shown '[.threads[] | [.arena_bytes, .retained_bytes, .peak_bytes]] | sort')" \
    '[[0,0,1120],[5008,0,5008],[7056,0,7056]]'
is 'nothing happens' "$(shown '.calls_per_second == 0 and .bytes_per_second == 0')" true

top --once --interval=0.1 --sort=bytes "$pid"
is 'as text: status' "$status:$err" 0:
like 'as text: the process' "$out" \
    "^watched, pid $pid, libarenashim [0-9.]+: 3 threads with an arena, 3 open scopes, 0 calls/s"
like 'as text: a thread' "$out" "^ +$pid +watched +0 +0 +7056 +0 +7056  outer .* > inner \(paused\)$"
like 'as text: a site' "$out" "^ +0 +0 +0 +1 +5000 +0 +1  worker .*watched\.c:$(line '"worker"')$"
is 'as text: by bytes' "$(sed -n '/  site$/,$s/.*  \([a-z]*\) .*watched.c.*/\1/p' <<<"$out" | head -n 2 | xargs)" \
    'inner worker'

# ---- on a terminal -----------------------------------------------------------------------------

# terminal ROWS KEYS: top on a terminal of so many rows, where the keys are typed, one every half second; sets
# status and out, what was written there
terminal() {
    capture env TERM="${term-xterm}" LC_ALL=C.UTF-8 python3 "$here/terminal.py" "$1" "$2" "$arenashim" top --interval=0.3 "$pid"
    out=$(sed -E 's/\x1b(\[[0-9;?]*[a-zA-Z]|\([B0]|[=>])/|/g' <<<"$out")
}
if have python3; then
    terminal 24 bcq
    is 'on a terminal: q quits' "$status:$err" 0:
    like 'on a terminal: a thread' "$out" "$pid +watched.*outer ä\?{4} > inner \(p"
    like 'on a terminal: a site' "$out" 'worker '
    like 'on a terminal: the keys' "$out" 'q quits'
    terminal 4 xq
    is 'on a small one' "$status:$err" 0:
    terminal 24 rq
    is 'on one that becomes small' "$status:$err" 0:
    term=unheard-of terminal 24 q
    is 'on one that nobody knows: status' "$status" 125
    like 'on one that nobody knows: one line' "$out" \
        "^arenashim: there is no terminal that ncurses knows \(TERM is 'unheard-of'\); --once and --json need none.?\$"
    (sleep 1 && kill "$pid") &
    terminal 24 '   '
    is 'the process ends: status' "$status" 125
    like 'the process ends: one line' "$out" "\|arenashim: (process $pid has ended|there is no process $pid, or it has ended).?$"
    wait "$pid"
else
    skip 'on a terminal' 'python3 is not installed'
    finish
fi

# ---- while much happens ------------------------------------------------------------------------

start busy
looks=25 known=0 steady=0 exact=0
for ((i = 0; i < looks; i++)); do
    top --json --interval=0.1 "$pid"
    known=$((known + $(shown '[.threads[].open_scopes[], .sites[] | .label] - ["turn", "short"] == [] and
        ([.threads[].open_scopes | length] | max) <= 1 | if . then 1 else 0 end')))
    # A thread has at most one scope open, which is to draw 8 blocks.
    if [ "$(shown '[.threads[].steady] | all')" = true ]; then
        steady=$((steady + 1))
        exact=$((exact + $(shown '.sites[] | select(.label == "turn") |
            if .routed_calls > 8 * .scopes or .routed_calls < 8 * (.scopes - 2) then 0 else 1 end')))
    fi
done
check 'busy: calls a second' test "$(shown '.calls_per_second > 100000')" = true
is 'busy: no scope that is none' "$known" "$looks"
check "busy: looks of one moment, $steady of $looks" test "$steady" -gt 0
is 'busy: these count what has happened' "$exact" "$steady"
before=$(shown '.sites[] | select(.label == "turn") | .routed_calls')
finish
check 'busy: routed, and no less than was shown' \
    test "$(stat '.sites[] | select(.label == "turn") | .routed_calls')" -ge "$before"

# ---- other kinds -------------------------------------------------------------------------------

start ARENASHIM_END=retain still
top --json --interval=0.1 "$pid"
is 'scopes that retain' "$(shown '[.threads[] | [.retained_bytes > 0, .open_scopes[].retains]] | sort')" \
    '[[true],[true,true],[true,true,true]]'
finish

start fork
top --json --interval=0.1 "$answer"
is 'a child: its own thread, counts, and scope' \
    "$(shown '[.threads[] | [.thread, .routed_calls, .open_scopes[].label]]')" "[[$answer,1,\"forked\"]]"
finish

container=(unshare --pid --fork --kill-child)
if [ "$(id -u)" -eq 0 ] && "${container[@]}" true 2>/dev/null && have pgrep; then
    start still
    child=$(pgrep -P "$pid")
    top --json --interval=0.1 "$child"
    is 'in a PID namespace: the numbers and names of threads here' \
        "$(shown '[.threads[] | [(.thread >= .pid), .name]] | sort')" \
        "$(shown '[[true,"over?[31m?"],[true,"watched"],[true,"watched"]]')"
    is '... that of the process' "$(shown '[.threads[].thread] | min')" "$child"
    finish
else
    skip 'in a PID namespace' 'it takes root, unshare and pgrep'
fi
container=()

cp "$shim" "$tmp/stripped.so"
if have strip && strip -s "$tmp/stripped.so"; then
    preloaded=$tmp/stripped.so start still
    rm "$tmp/stripped.so"
    top --json --interval=0.1 "$pid"
    is 'a library without symbols, whose file is gone' "$(shown .scopes_open)" 3
    finish
else
    skip 'a library without symbols' 'strip is not installed'
fi

# ---- what it cannot show -----------------------------------------------------------------------

preloaded='' start still
top --once "$pid"
refused 'without the shim' "process $pid \(watched\) does not have libarenashim\.so"
finish

start ARENASHIM_DISABLE=1 still
top --once "$pid"
refused 'idle' "libarenashim\.so is idle in process $pid \(watched\)"
finish

# The number of the layout is the first of what the library exports.
at=$(readelf -SW "$shim" 2>/dev/null | sed 's/^ *\[ *[0-9]*\] *//' | {
    symbol=$((16#$(nm -D "$shim" | sed -n 's/ D arenashim_records$//p')))
    while read -r _ kind address offset size _; do
        if [ "$kind" != PROGBITS ] || [ $((16#$address)) -eq 0 ]; then
            continue
        fi
        inside=$((symbol - 16#$address))
        [ $inside -lt 0 ] || [ $inside -ge $((16#$size)) ] || echo $((inside + 16#$offset))
    done
})
cp "$shim" "$tmp/other.so"
if printf '\347\3' | dd of="$tmp/other.so" bs=1 seek="$at" conv=notrunc 2>/dev/null; then
    preloaded=$tmp/other.so start still
    top --once "$pid"
    refused 'another version' "process $pid has libarenashim\.so [0-9.]+ with records of layout 999 .* reads layout"
    finish
else
    skip 'another version' 'readelf or nm is not installed'
fi

start still
if [ "$(id -u)" -eq 0 ] && have setpriv; then
    cp "$arenashim" "$tmp/arenashim"
    capture setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/arenashim" top --once "$pid"
    refused 'no permission' "process $pid may not be looked into: "
else
    skip 'no permission' 'it takes root and setpriv'
fi
(sleep 0.3 && kill "$pid") &
top --once --interval=2 "$pid"
refused 'it ends meanwhile' "process $pid has ended"
wait "$pid"
top --once "$pid"
refused 'no such process' "there is no process $pid, or it has ended"

coproc program { exec env LD_PRELOAD="$shim" sh -c 'echo ready; read -r _; exec env -u LD_PRELOAD sleep 60'; }
pid=$program_PID
read -r -t 20 _ <&"${program[0]}"
exec {input}>&"${program[1]}" # which a subshell does not have
(sleep 0.3 && echo >&"$input") &
top --once --interval=1 "$pid"
refused 'it becomes a program without the shim' "process $pid \((sleep|env)\) does not have libarenashim\.so"
kill "$pid"
exec {input}>&-
wait "$pid"

top --once "$$" "$$"
refused 'two of them' 'takes the PID of one process, and 2 were given'
for operand in x 0 -1 12x 99999999999; do
    top --once -- "$operand"
    refused "not a PID: $operand" "'$operand' is not accepted; arenashim top takes the PID of a process"
done
top --interval=0 1
refused 'an interval of 0' "--interval='0' is not accepted; it takes 0\.1 to 3600 seconds"
top --sort=name 1
refused 'an unknown order' "--sort='name' is not accepted; it takes calls or bytes"
top "$$"
refused 'a shell' "process $$ \(.*\) does not have libarenashim\.so"
start still
top "$pid"
refused 'no terminal' 'standard (input|output) is no terminal; --once and --json need none'
finish
done_testing

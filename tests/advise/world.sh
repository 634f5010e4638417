#!/usr/bin/env bash
# What `arenashim advise` does to the world of a run, and leaves alone: rights, signals, the
# environment, the terminal, limits; and what a run leaves behind.
#
# Text in single quotes is for the shells that the command starts.
# shellcheck disable=SC2016,SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

export seen=$tmp/seen

# advise OPTION... -- PROGRAM...: sets status, out, err; $seen is empty before.
advise() {
    : >"$seen"
    capture "$arenashim" advise --quiet "$@"
}

# How many of the processes whose numbers are in $seen are there.
count_alive() {
    local pid alive=0
    while read -r pid; do
        ! kill -0 "$pid" 2>/dev/null || alive=$((alive + 1))
    done <"$seen"
    echo "$alive"
}

# ---- what it leaves ---------------------------------------------------------------------------

advise --no-measure -- bash -c 'wanted=$(($(wc -l <"$seen") + 2))
    setsid sh -c "echo \$\$ >>$seen; setsid sleep 60 & echo \$! >>$seen; sleep 60" &
    until [ "$(wc -l <"$seen")" -ge "$wanted" ]; do sleep 0.01; done'
is 'processes that leave its group are ended, too' \
    "$status:$(($(wc -l <"$seen") > 6)):$(count_alive)" 0:1:0
: >"$seen"
capture bash -c 'sleep 60 >/dev/null & echo $! >"$seen"; exec "$0" advise --quiet --no-measure -- true' "$arenashim"
is '... and none that was there before' "$status:$(count_alive)" 0:1
kill "$(<"$seen")"

# ---- what it is given -------------------------------------------------------------------------

advise --no-measure -- bash -c 'echo "${LD_PRELOAD-unset}${ARENASHIM_WATCH+watched}" >>"$seen"'
is 'LD_PRELOAD is not there when it was not' "$status:$(grep -c '^unset$' "$seen")" 0:2

# Whoever runs the tests may ignore some, of which timeout(1) passes on not all.
own=$(timeout 5 grep ^SigIgn /proc/self/status | awk '{ print $2 }')
: >"$seen"
capture env --ignore-signal=CHLD,XFSZ "$arenashim" advise --quiet --no-measure -- \
    bash -c 'grep ^SigIgn /proc/self/status >>"$seen"'
is 'signals that were ignored are' "$status:$(sort -u "$seen" | awk '{ print $2 }')" \
    "0:$(printf '%016x' $((16#$own | 16#01010000)))"
advise --no-measure -- bash -c 'grep ^SigIgn /proc/self/status >>"$seen"'
is '... and others are not' "$status:$(sort -u "$seen" | awk '{ print $2 }')" "0:$own"

# script(1) makes a terminal.
if have script; then
    : >"$seen"
    capture script -qec "$arenashim advise --quiet --no-measure -- bash -c 'read -r line </dev/tty; echo on >>\$seen'" /dev/null
    is 'nothing waits for the terminal' "$status:$(sort -u "$seen")" 0:on
else
    skip 'nothing waits for the terminal' 'script is not installed'
fi

silent() {
    sleep 1.5 | timeout 20 "$arenashim" advise --quiet --no-measure -- true
}
capture silent
is 'a standard input without an end: status' "$status" 0
one_line '... is told of' "standard input is kept for the runs until it ends; '</dev/null' gives them none"

# ---- rights -----------------------------------------------------------------------------------

as_nobody() {
    setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}
cp "$(type -P cat)" "$tmp/reader"
echo secret >"$tmp/secret"
chmod 600 "$tmp/secret"
chmod 4755 "$tmp/reader"
: >"$seen"
chmod 666 "$seen"
if [ "$(id -u)" -ne 0 ] || [ "$(as_nobody "$tmp/reader" "$tmp/secret" 2>&1)" != secret ]; then
    skip 'set-user-ID programs keep their rights' 'there is no other user or no such program'
elif ! as_nobody test -x "$arenashim" -a -r "$shim"; then
    skip 'set-user-ID programs keep their rights' 'the build is closed to other users'
else
    capture as_nobody "$arenashim" advise --quiet --runs 1 --json /dev/null -- \
        bash -c 'exec "$0" "$1" 2>>"$seen"' "$tmp/reader" "$tmp/secret"
    unless_unwrapped
    is 'set-user-ID programs keep their rights' "$status:$err:$(<"$seen")" 0::
fi
if [ "$(id -u)" -ne 0 ] || ! as_nobody test -r "$shim"; then
    skip 'a program that gives up its rights' 'there is no other user, or the build is closed to it'
else
    advise --no-measure -- setpriv --reuid nobody --regid nogroup --clear-groups cat /dev/null
    like 'a program that gives up its rights is not watched, which is said' "$status:$err" \
        '^0:arenashim: the process is not watched: .* is not to be opened by its user$'
fi

# ---- a shim that cannot watch -----------------------------------------------------------------

mkdir "$tmp/alone"
cp "$shim" "$tmp/alone"
advise --no-measure --shim="$tmp/alone/libarenashim.so" -- sh -c 'echo said by the program >&2'
is 'nobody was watched: status' "$status" 125
one_line 'nobody was watched: why' 'the process is not watched: libarenashim-watch.so cannot be loaded'

# ---- memory at the end ------------------------------------------------------------------------

if need ends ends.c && advise --runs 1 --json "$tmp/json" -- "$tmp/ends"; then
    is 'the memory at the end is unknown when the first thread ends before' \
        "$status:$(jq -c '.contenders[0] | [.peak_bytes >= 67108864, .end_bytes]' "$tmp/json")" \
        '0:[true,null]'
fi

# ---- limits -----------------------------------------------------------------------------------

capture bash -c 'ulimit -f 1000; exec "$0" advise --quiet -- true' "$arenashim"
is 'no room for the record: status' "$status" 125
one_line '... and a line' 'cannot make a file of [0-9]* bytes in .*: File too large'
done_testing

#!/usr/bin/env bash
# arenashim run --report: the program's own exit status, all its processes on one page, signals passed on.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 "$source_dir/tests/preload/stats.c"
cd "$tmp" || exit 99
mkdir folder
export TMPDIR=$tmp/folder

report() {
    rm -f page.html
    capture "$arenashim" run --shim="$shim" --report=page.html -- "$@"
}

report sh -c 'echo out; ./cases counts; ./cases threads; exit 7'
is 'the exit status and the output are the program'\''s' "$status:$out:$err" 7:out:
is 'all its processes are on one page' "$(grep -c ': 3 processes' page.html)" 1
like 'with the sums of their statistics' "$(<page.html)" '<tr id=top-routed_calls><td class=l>routed calls<td>16$'
is 'no file is left behind' "$(ls -A folder)" ''
report sh -c 'kill -KILL $$'
is 'a program that a signal ends: so does the command' "$status" 137
one_line 'and says that there is no report' "there is no report: no process of 'sh' has left statistics"
check 'and leaves no page' test ! -e page.html

# passed_on SIGNAL: what is sent to the command comes to the program. Under nohup it would be ignored.
passed_on() {
    env --default-signal="$1" "$arenashim" run --shim="$shim" --report=page.html -- \
        sh -c 'trap "echo got; exit 3" '"$1"'; : >ready; while :; do sleep 0.1; done' >"$tmp/passed" &
    local command=$!
    until [ -e ready ]; do sleep 0.05; done
    rm ready
    kill -s "$1" $command
    wait $command
    is "$1 is passed on" "$?:$(<"$tmp/passed")" 3:got
}
for signal in TERM HUP USR1 USR2 XCPU PIPE WINCH CONT; do
    passed_on $signal
done
if [ -z "${EMULATED-}" ]; then
    passed_on RTMIN
else
    skip 'RTMIN is passed on' "an emulator's real-time signals have other numbers"
fi

# state PID: the letter of ps
state() {
    sed 's/.*) \(.\).*/\1/' "/proc/$1/stat"
}
# The kernel stops no job whose shell is gone: so it is one of a shell's.
jobs_stop() {
    set -m
    local command
    "$arenashim" run --shim="$shim" --report=page.html -- \
        sh -c 'echo $$ >number; while :; do sleep 0.1; done' &
    command=$!
    until [ -s number ]; do sleep 0.05; done
    for signal in TSTP CONT; do
        kill -s $signal $command
        until [ "$(state $command)$(state "$(<number)")" = TT ] && [ $signal = TSTP ] ||
            { [ $signal = CONT ] && [[ $(state $command)$(state "$(<number)") != *T* ]]; }; do sleep 0.05; done
        echo $signal
    done
    kill -s TERM $command
    wait $command
}
capture jobs_stop
set +m
is 'the command stops and goes on with the program' "$status:$(xargs <<<"$out")" '143:TSTP CONT'

cat >alarm.c <<'C'
#include <unistd.h>
int main(int argc, char **argv)
{
    alarm(1);
    return argc > 1 && execv(argv[1], argv + 1);
}
C
need alarm ./alarm.c
capture ./alarm "$arenashim" run --shim="$shim" --report=page.html -- sleep 20
is 'an alarm that was set before ends the program' "$status:$(ls -A folder)" 142:
report ./none
is 'a program that is not there: status' "$status" 127
one_line 'a program that is not there: one line' "cannot run './none': No such file or directory"
report cat /dev/null
is 'a program without scopes has a page, too' "$status:$(grep -c 'id=share>0.0' page.html)" 0:1
capture "$arenashim" run --shim="$shim" --report="$tmp/none/page" -- ./cases counts
is 'a page that cannot be written: status, and nothing is run' "$status:$out" 125:
one_line 'a page that cannot be written: one line' "the report '$tmp/none/page' cannot be written: No such"
mkdir gone
capture "$arenashim" run --shim="$shim" --report="$tmp/gone/page" -- bash -c 'rmdir gone; exit 3'
is '... one that no longer can leaves the status of a program that fails' "$status" 3
for option in --stats --stats=json --stats-file=x; do
    capture "$arenashim" run $option --report=page.html -- true
    is "not with $option: status" "$status" 125
    one_line "not with $option: one line" '--report, --budget and --report-format take the place of --stats'
done
capture "$arenashim" run --report
one_line 'without a value' '--report needs a value; it takes a file that can be written'
done_testing

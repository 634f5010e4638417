#!/usr/bin/env bash
# The ends of a process inside scopes: by return, exit, _exit, quick_exit, abort and signals, from
# handlers and threads, with other threads at work; handlers and destructors that allocate and free
# scope memory; and closed outputs: nothing of the shim's lands in a file of the program.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
export limit=120

ulimit -c 0
need libexit.so -O2 -fPIC -shared -DEXIT_LIBRARY exit.c
need cases -O2 exit.c -Wl,--no-as-needed "$tmp/libexit.so" -Wl,-rpath,"$tmp"
need cxx -O2 -std=c++11 exit.cc

# ends CASE STATUS OUTPUT LEFT_OPEN: the status as without the shim, the handlers' output, and
# LEFT_OPEN scopes in the statistics, or no statistics at all
ends() {
    capture "$tmp/cases" "$1"
    is "$1: the status without the shim" "$status" "$2"
    under "$tmp/cases" "$1"
    is "$1: with it" "$status:$out:$err" "$2:$3:"
    stat_is "$1: statistics" .left_open "$4"
    [ "$4" = none ] || stat_is "$1: nothing was wrong" '"\(.misuses) \(.routed_calls > 1)"' '0 true'
}

handlers=$'handler\nhandler\nlibrary'
ends by_return 0 "$handlers" 2
ends by_exit 3 "$handlers" 2
ends by_underscore_exit 3 '' 2
ends by_quick_exit 3 handler 2
ends by_abort 134 '' none
ends by_kill 137 '' none
ends by_segv 139 '' none
ends in_handler 3 "$handlers" 3
ends in_thread 3 "$handlers" 2
ends main_leaves 3 "$handlers" 2
ends detached 3 "$handlers" 2

two_exits() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE=/dev/stdout "$tmp/cases" by_two_exits |
        { sleep 0.3 && jq '.routed_calls > 1'; }
}
is 'two threads end the process at once: its statistics are whole' "$(two_exits)" true

under "$tmp/cxx"
routed 'static destructors in C++'
is 'static destructors in C++: they ran' "$out" $'main\nstatic local\nstatic'
stat_is 'static destructors in C++: statistics' '"\(.left_open) \(.misuses)"' '1 0'

# ---- closed outputs ----------------------------------------------------------------------------

# closed REDIRECTIONS... with stderr among them, a wrong setting and statistics for stderr
closed() {
    # The shell that closes them is not under the shim.
    # shellcheck disable=SC2016
    bash -c "$1"' env EXIT_DATA="$1" LD_PRELOAD="$2" ARENASHIM_ALIGN=3 ARENASHIM_STATS=text \
        ${4:+ARENASHIM_STATS_FILE="$4"} "$3" data_file' bash "$tmp/data" "$shim" "$tmp/cases" "${2-}"
}

capture closed 'exec 2>&-;'
is 'stderr closed: the program works' "$status:$out" "3:$handlers"
is 'stderr closed: its data are its own' "$(<"$tmp/data")" data
capture closed 'exec 0<&- 1>&- 2>&-; exec 0</dev/null 1>/dev/null;'
is 'all closed, two opened: the program works' "$status" 3
is 'all closed, two opened: its data are its own' "$(<"$tmp/data")" data
rm -f "$tmp/text"
capture closed 'exec 2>&-;' "$tmp/text"
is 'stderr closed, statistics in a file: the program works' "$status:$out" "3:$handlers"
is 'stderr closed, statistics in a file: its data are its own' "$(<"$tmp/data")" data
like 'stderr closed, statistics in a file: they are written' "$(<"$tmp/text")" \
    '^  misuses  *1$'
# With stderr open the same run says all of it.
capture env EXIT_DATA="$tmp/data" LD_PRELOAD="$shim" ARENASHIM_ALIGN=3 ARENASHIM_STATS=text \
    "$tmp/cases" by_exit
like 'stderr open: the setting is named' "$err" '^arenashim: .*ARENASHIM_ALIGN'
like 'stderr open: the statistics are there' "$err" '^  scopes left open  *2$'
done_testing

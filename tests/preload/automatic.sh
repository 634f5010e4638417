#!/usr/bin/env bash
# ARENASHIM_SCOPES: the process, or each thread, is a scope without a mark.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need libplain.so -O2 -fPIC -shared automatic_lib.c
need cases -O2 automatic.c "$tmp/libplain.so" -Wl,-rpath,"$tmp"

# in_process DESCRIPTION CASE [VARIABLE=VALUE...]
in_process() {
    local name=$1 case=$2
    shift 2
    under ARENASHIM_SCOPES=process "$@" "$tmp/cases" "$case"
    routed "process: $name"
    stat_is "process: $name: nothing is misuse" '"\(.misuses) \(.left_open)"' '0 0'
}

in_process 'blocks outlive their threads' threads
stat_is 'process: threads share a site' \
    '.sites[] | select(.label == "process") | "\(.scopes) \(.file) \(.line)"' '301  0'
in_process 'blocks outlive their threads, in a small arena' threads ARENASHIM_CAPACITY=16K
in_process 'all modules participate' everybody
stat_is 'process: nothing is passed on' .passed_in_scope.not_participating 0
in_process 'any call can be the first' first_calls
stat_is 'process: any call can be the first: nothing is passed on' .passed_in_scope.total 0
in_process 'marks inside' marked_inside
in_process 'a first mark' marked_at_first_begin
in_process 'fork' forks
in_process 'fork, in full arenas' forks_full ARENASHIM_CAPACITY=4K ARENASHIM_LIMIT=4K
under ARENASHIM_SCOPES=process ARENASHIM_LIMIT=1024G "$tmp/cases" late_mark
is 'process: a mark in a thread without an arena: works' "$status" 0
like 'process: a mark in a thread without an arena: one line' "$err" \
    '^arenashim: a thread gets no arena: all slots'
in_process 'the limit' past_the_limit ARENASHIM_LIMIT=1M
check 'process: past the limit is fallback' test "$(stat .fallbacks)" -gt 700
in_process 'a block grows in place' grows_in_place ARENASHIM_END=reset
in_process 'exit handlers' exits
stat_is 'process: the report at exit knows the peak' \
    '[.sites[] | select(.label == "process") | .peak_bytes > 150, .survivors > 0] | all' true
in_process 'exit handlers, in memory that drops' exits ARENASHIM_END=reset
stat_is 'process: the report at exit knows the peak of what drops' \
    '[.sites[] | select(.label == "process") | .peak_bytes > 150, .live_at_end > 0] | all' true
for function in threads first_calls marked_inside forks; do
    in_process "$function, in memory that drops" $function ARENASHIM_END=reset
done

under ARENASHIM_SCOPES=process ARENASHIM_MODULES=main "$tmp/cases" everybody
is 'process: the list narrows it' "$status:$(grep -c 'in_arena' "$tmp/err")" 1:2
check 'process: the list narrows it: libraries are passed on' \
    test "$(stat .passed_in_scope.not_participating)" -gt 0
under ARENASHIM_SCOPES=process ARENASHIM_MODULES='-libplain*' "$tmp/cases" everybody
is 'process: a module can be taken out' "$status:$(grep -c 'in_arena' "$tmp/err")" 1:1

under ARENASHIM_SCOPES=thread EVERYBODY=1 "$tmp/cases" bodies
routed 'thread: bodies'
stat_is 'thread: bodies: nothing is misuse, nothing left open' '"\(.misuses) \(.left_open)"' '0 0'
stat_is 'thread: each started thread is a scope' \
    '.sites[] | select(.label == "thread") | .scopes' 100
under ARENASHIM_SCOPES=thread ARENASHIM_END=reset "$tmp/cases" bodies
routed 'thread: bodies, in memory that drops'
under ARENASHIM_SCOPES=thread ARENASHIM_MODULES='main,-libplain*' "$tmp/cases" bodies
routed 'thread: a list narrows who takes part'
under ARENASHIM_SCOPES=thread ARENASHIM_END=reset ARENASHIM_MODULES='+libplain*' \
    LIBRARY_PARTICIPATES=1 "$tmp/cases" bodies
routed 'thread: a named library participates'
under ARENASHIM_SCOPES=thread ARENASHIM_OVERFLOW=fallback ARENASHIM_CAPACITY=4K ARENASHIM_END=reset \
    "$tmp/cases" bodies
routed 'thread: bodies in a tiny arena'

# The command sets it, and it is handed on.
rm -f "$tmp"/stats.*
capture env ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" \
    "$arenashim" run --scope process -- bash -c 'sort /etc/passwd | tail -n 1; :'
is 'run --scope process: works' "$status:$err" 0:
check 'run --scope process: routed in all processes' \
    jq -se 'length >= 2 and all(.routed_calls > 0)' "$tmp"/stats.*
done_testing

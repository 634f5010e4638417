#!/usr/bin/env bash
# arenashim run --budget: limits that hold and that are broken, in all and by site, what is no budget, what
# --update writes, and what the exit status says.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need budget -g "$here/budget.c"
cd "$tmp" || exit 99

# gate BUDGET ARGUMENT...: runs the program with the budget, which is JSON
gate() {
    printf '%s\n' "$1" >budget.json
    shift
    capture "$arenashim" run --budget=budget.json -- ./budget "$@"
}

# in_all LIMITS, of_site LIMITS: budgets
in_all() {
    printf '{"format": 1, "total": {%s}}' "$1"
}
of_site() {
    printf '{"format": 1, "sites": [{"label": "query", %s}]}' "$1"
}

line=$(grep -n 'ARENA_SCOPE("query")' "$here/budget.c" | cut -d: -f1)
place="$here/budget.c:$line"

# ---- limits ------------------------------------------------------------------------------------

under ./budget 10
routed 'the program by itself'
stat_is '... draws in its scope' '.sites[] | "\(.label) \(.scopes) \(.routed_calls) \(.routed_bytes)"' \
    'query 10 20 1000'

gate "$(in_all '"routed_calls": 20, "routed_bytes": {"min": 1000, "max": 1000}, "overflows": 0,
    "passed": 0, "left_open": 0, "misuses": 0, "live_at_end": 10')" 10
is 'a budget that is kept' "$status:$out:$err" 0:done:
for figure in scopes=10 routed_calls=20 routed_bytes=1000 live_at_end=10 threads=1 high_water_bytes; do
    key=${figure%=*} found=${figure#*=}
    [ "$found" != "$key" ] || found=$(stat ".$key")
    gate "$(in_all "\"$key\": $((found - 1))")" 10
    is "$key of all: broken" "$status:$err" \
        "98:arenashim: in all: $key is $found, the budget allows at most $((found - 1))"
done
for figure in scopes=10 routed_calls=20 routed_bytes=1000 live_at_end=10 peak_bytes; do
    key=${figure%=*} found=${figure#*=}
    [ "$found" != "$key" ] || found=$(stat ".sites[0].$key")
    gate "$(of_site "\"$key\": $found")" 10
    is "$key of a site: kept" "$status:$err" 0:
    gate "$(of_site "\"$key\": $((found - 1))")" 10
    is "... broken" "$status:$err" \
        "98:arenashim: query ($place): $key is $found, the budget allows at most $((found - 1))"
done
gate "$(of_site '"routed_calls": {"min": 21}')" 10
is 'too little' "$status:$err" \
    "98:arenashim: query ($place): routed_calls is 20, the budget allows at least 21"
gate "$(of_site '"file": "gate/budget.c", "scopes": 1')" 1
is 'a site by the end of its path' "$status:$err" 0:
gate "$(of_site "\"file\": \"budget.c\", \"line\": $line, \"scopes\": 0")" 1
is '... and its line' "$status:${err##*: }" '98:scopes is 1, the budget allows at most 0'
gate "$(of_site '"file": "get.c", "scopes": 1')" 1
is 'a site that the run has not had' "$status:$err" \
    '98:arenashim: query (get.c): the budget names this site, and the run did not meet it'
ARENASHIM_CAPACITY=4K gate "$(in_all '"overflows": 0')" 1 9000
is 'overflows' "$status:${err%%,*}" '98:arenashim: in all: overflows is 2'
ARENASHIM_CAPACITY=4K ARENASHIM_OVERFLOW=fallback gate "$(in_all '"passed": 0, "routed_calls": 0')" 1 9000
is 'calls that are not routed' "$status:$err" \
    '98:arenashim: in all: passed is 2, the budget allows at most 0'
ARENASHIM_CAPACITY=4K ARENASHIM_OVERFLOW=fallback gate '{"format": 1, "total": {"routed_calls": 0},
    "sites": [{"label": "query", "passed": 1}]}' 1 9000
is '... of a site' "$status:${err##*: }" '98:passed is 2, the budget allows at most 1'
gate "$(in_all '"scopes": 3')" 1 fork
is 'all processes together' "$status:$err" 0:
gate "$(in_all '"scopes": 1')" 1 fork
is '...: broken' "$status:${err#*all: }" '98:scopes is 2, the budget allows at most 1'

# ---- what is wrong without a limit, and statuses -----------------------------------------------

gate "$(in_all '"scopes": 9')" 1 left_open
is 'a scope left open fails' "$status:${err%%:*}:${err##*: }" '99:arenashim:1 of open'
gate "$(in_all '"scopes": 9, "left_open": 1')" 1 left_open
is '... unless the budget allows it' "$status:$err" 0:
gate "$(in_all '"scopes": 9, "left_open": {"min": 0}')" 1 left_open
is '... and not one that sets no maximum' "$status" 99
gate "$(in_all '"scopes": 9')" 0
is 'not one routed call fails' "$status:$(grep -c 'not one call was routed' <<<"$err")" 99:1
gate "$(in_all '"routed_calls": 9')" 0
is '... with a maximum, too' "$status" 99
gate "$(in_all '"routed_calls": {"min": 0, "max": 9}')" 0
is '... unless the budget allows it' "$status:$err" 0:
gate "$(in_all '"scopes": 0')" 1 status 7
like 'a program that fails: is said' "$err" "^arenashim: './budget' ended with status 7$"
is '... its status comes before a broken budget' "$status" 7
gate "$(in_all '"scopes": 0')" 1 left_open status 7
is '... and behind a scope left open' "$status" 99
gate "$(in_all '"scopes": 9')" 1 kill
is 'a program that a signal ends' "$status:$(grep -c 'ended with status 137$' <<<"$err")" 137:1
for way in _exit _Exit quick_exit handler; do
    gate "$(in_all '"scopes": {"min": 6, "max": 6}')" 5 fork $way
    is "a program that ends by $way is judged" "$status:$err" 0:
done
gate "$(in_all '"scopes": {"min": 6, "max": 6}')" 5 vfork other
is 'a child of vfork that ends by _exit writes nothing' "$status:$out:$err" 0:done:
gate "$(in_all '"scopes": 9')" 5 fork system_call
is 'a program that ends by the system call alone' "$status:$err" "99:arenashim: the shim wrote no statistics of \
'./budget' itself, or some that cannot be read: it was not in the path, or the program did not exit"

# missed CASE...: the run is not judged, since a child has left nothing
missed='process [0-9]+ \(budget\) has had scopes and left no statistics: '
for case in killed system_call setuid; do
    if [ $case = setuid ] && [ "$(id -u)" -ne 0 ]; then
        skip "a child of another user" 'only root can make one'
        continue
    fi
    gate "$(in_all '"scopes": 9')" 5 child $case
    like "a child that leaves no statistics, $case: is told of" "$err" "^arenashim: $missed"
    is "... and nothing is judged" "$status" 99
done
gate "$(in_all '"scopes": 9')" 5 child killed status 7
is '... but a program that fails keeps its status' "$status:$(grep -Ec "$missed" <<<"$err")" 7:1
capture "$arenashim" run --report=page.html -- ./budget 5 child killed
is '... without a budget it is told of' "$status:$(grep -Ec "^arenashim: $missed" <<<"$err")" 0:1
for case in becomes becomes_by_list fails_to_become; do
    gate "$(in_all '"scopes": 9')" 5 child $case
    is "a child that $case another program is none of them" "$status:$err" 0:
done
capture "$arenashim" run --budget=budget.json -- sh -c 'yes | head -n 1; exec ./budget 9'
is '... nor is one that a signal ends before it has had a scope' "$status:$err" 0:
if unshare -pf --mount-proc true 2>/dev/null; then
    gate "$(in_all '"scopes": 9')" 1 status 0
    capture "$arenashim" run --budget=budget.json -- bash -c \
        'for i in 1 2 3 4; do unshare -pf ./budget 2 & unshare -pf --mount-proc ./budget 1 & done; wait'
    is 'processes of one number in namespaces are all there' "$status:${err#*all: }" \
        '98:scopes is 12, the budget allows at most 9'
else
    skip 'processes of one number in namespaces are all there' 'there can be no namespace here'
fi
capture env --ignore-signal=CHLD "$arenashim" run --budget=budget.json -- ./budget 1 status 7
is 'a program that fails where SIGCHLD is ignored' "$status" 7
mkdir 'a%pb%%'
TMPDIR=$tmp/a%pb%% gate "$(in_all '"scopes": 9')" 1
is 'a folder for scratch with percent signs' "$status:$err:$(ls -A 'a%pb%%')" 0::
mkdir scratch
TMPDIR=$tmp/scratch gate "$(in_all '"scopes": 9')" 1 late
like 'a process that outlives the program is told of' "$status:$err" \
    "^0:arenashim: './budget' has left processes behind, and the statistics lack them"
is '... and its folder is gone' "$(ls scratch)" ''
until [ -s late ]; do sleep 0.1; done
is '... which it does not mind' "$(<late):$(ls scratch)" 'late:'
capture env TMPDIR="$tmp" bash -c 'sleep 1 & exec "$@"' bash "$arenashim" run --budget=budget.json -- ./budget 1
is '... and not what the caller had begun' "$status:$err" 0:
mkdir gone
capture env --chdir=gone "$arenashim" run --budget=../budget.json -- \
    sh -c "rmdir ../gone; exec '$tmp/budget' 10"
is 'a directory that the program removes' "$status:$err" \
    '98:arenashim: in all: scopes is 10, the budget allows at most 9'
ARENASHIM_DISABLE=1 gate "$(in_all '"scopes": 9')" 1
is 'a shim that is idle fails' "$status" 99
capture "$arenashim" run --budget=budget.json -- ./nothing
is 'a missing program' "$status" 127

# ---- what is no budget -------------------------------------------------------------------------

# refused DESCRIPTION BUDGET ERE
refused() {
    gate "$2" 1
    if [ "$status" = 125 ] && [[ $err != *$'\n'* ]] && [ -z "$out" ] &&
        grep -Eq "^arenashim: 'budget.json' is no budget: $3" <<<"$err"; then
        ok "refused: $1"
    else
        not_ok "refused: $1" "$(last_run)"
    fi
}
refused 'no JSON' '{"format"' 'line 2: '
refused 'another format' '{"format": 2}' 'its format is not 1$'
refused 'a list' '[]' 'its format is not 1$'
refused 'an unknown key' '{"format": 1, "totals": {}}' "it has the unknown key 'totals'; there are format, total, sites$"
refused 'an unknown figure' "$(in_all '"routed": 1')" "total has the unknown key 'routed'; there are threads, .* misuses$"
refused 'an unknown figure of a site' "$(of_site '"misuses": 1')" \
    "sites\[0\] has the unknown key 'misuses'; there are label, file, line, scopes, "
refused 'a key twice' "$(in_all '"scopes": 1, "scopes": 2')" 'line 1: duplicate object key'
for value in -1 1.5 '"1"' '{}' '{"min": 2, "max": 1}' '{"least": 1}' '{"min": 1, "x": 2}' null; do
    refused "the limit $value" "$(in_all "\"scopes\": $value")" 'scopes of total takes a number from 0 on, '
done
refused 'a line that is text' "$(of_site '"line": "1"')" 'line of sites\[0\] is no number$'
refused 'a label that is no text' '{"format": 1, "sites": [{"label": 1}]}' 'label of sites\[0\] is no text$'
refused 'a site that is no object' '{"format": 1, "sites": [1]}' 'sites\[0\] is no object$'

# option ARGUMENT... ERE: an error of the options, in one line
option() {
    local ere=${!#}
    capture "$arenashim" run "${@:1:$#-1}" -- ./budget 1
    is "options: ${*:1:$#-1}" "$status:$out:$(grep -Ec "^arenashim: $ere" <<<"$err"):$(wc -l <"$tmp/err")" 125::1:1
}
option --budget=none.json "the budget 'none.json' cannot be read: No such file or directory$"
option --update '--update needs --budget$'
option --report-file=x '--report-file needs --report-format, or --budget$'
option --budget=budget.json --update=x "--update='x' is not accepted; it takes a percentage from 0 to 1000$"
option --budget=budget.json --update=1001 "--update='1001' is not accepted"
option --report-format=xml "--report-format='xml' is not accepted; it takes text, junit, sarif, github or tap$"
option --report-format=tap --stats '--report, --budget and --report-format take the place of --stats'
option --budget=none/x --update "the budget 'none/x' cannot be written: No such file"
option --report-format=tap --report-file=none/x "the report 'none/x' cannot be written: No such file"

echo old >report.tap
capture "$arenashim" run --report-format=tap --report-file=report.tap -- sh -c 'cat report.tap; exec ./budget 1'
is 'a report stays until the new one is whole' "$status:$out:$(tail -n 1 report.tap)" $'0:old\ndone:1..1'
capture "$arenashim" run --report-format=tap --report-file=report.tap -- ./nothing
is '... and where nothing is run' "$status:$(tail -n 1 report.tap):$(echo report.tap*)" 127:1..1:report.tap

for name in /dev/stdout /proc/self/fd/1; do
    capture "$arenashim" run --report-format=tap --report-file=$name -- ./budget 1
    is "a report in $name comes behind the output" "$status:$out" $'0:done\nok 1 - ./budget\n1..1'
done
echo victim >victim
ln -s victim report.link
ln -s victim report.foreign
capture "$arenashim" run --report-format=tap --report-file=report.link -- ./budget 1
is 'a link of the user is followed' "$status:$(readlink report.link):$(tail -n 1 victim)" 0:victim:1..1
if [ "$(id -u)" -eq 0 ] && chown -h 65534 report.foreign; then
    echo victim >victim
    capture "$arenashim" run --report-format=tap --report-file=report.foreign -- ./budget 1
    is "another's link is not" "$status:$(<victim):$(tail -n 1 report.foreign)" 0:victim:1..1
else
    skip "another's link is not" 'only root can make one'
fi

capture "$arenashim" run --report-format=github -- sh -c 'printf "no end" >&2; exec ./budget 0'
like 'the last line of the program may have no end' "$err" '^::error title=NotRouted::'
mkdir -p tree/src tree/build
cp "$here/budget.c" tree/src/open.c
(cd tree/build && $cc -I"$source_dir/include" -o open ../src/open.c)
capture env -C tree "$arenashim" run --report-format=github -- build/open 1 left_open
like 'a place that is named from another folder' "$err" '^::error file=src/open.c,line='

# ---- --update ----------------------------------------------------------------------------------

update() {
    capture "$arenashim" run --budget=new.json --update"$1" -- ./budget "${@:2}"
}
update '' 10
is 'a new budget: status' "$status:$out:$err" 0:done:
is '... limits all figures, with slack, that of routed calls on both sides' \
    "$(jq -c '[.format, .total.scopes, .total.routed_calls, .total.overflows]' new.json)" \
    '[1,11,{"min":18,"max":22},0]'
is '... and of sites' "$(jq -c '.sites[] | [.label, .file, .line, .routed_calls, .routed_bytes]' new.json)" \
    '["query","budget.c",null,{"min":18,"max":22},1100]'
capture "$arenashim" run --budget=new.json -- ./budget 11
is '... is kept by what grew by less' "$status:$err" 0:
capture "$arenashim" run --budget=new.json -- ./budget 12
is '... and not by what grew by more' "$status" 98
printf '%s\n' '{"format": 1, "total": {"scopes": 1}, "sites": [
    {"label": "query", "routed_calls": {"min": 1}}, {"label": "gone", "scopes": 1}]}' >new.json
update '=0' 10 left_open
is 'a run that fails changes no budget' "$status:$(jq -c .total new.json)" '99:{"scopes":1}'
like '... and says so' "$err" "^arenashim: the budget 'new.json' is left as it is: the run failed$"
update '=50' 10 other
is 'an old budget keeps what it limits, sites that are met, and gets new ones' \
    "$status:$(jq -c '[.total, (.sites[] | [.label, .scopes, .routed_calls])]' new.json)" \
    '0:[{"scopes":17},["query",null,{"min":10}],["other",2,{"min":1,"max":2}]]'
mkdir link && chmod 600 new.json && ln -s ../new.json link/new.json
capture "$arenashim" run --budget=link/new.json --update=0 -- ./budget 10
is 'a budget keeps its mode, and a link to it stays' "$status:$(readlink link/new.json):$(command stat -c %a new.json)" \
    0:../new.json:600
mkdir A B
for folder in A B; do
    printf '%s\n' '#include <arenashim/scope.h>' '#include <stdlib.h>' "void $folder(void)" \
        '{ ARENA_SCOPE("same") free(malloc(8)); }' >$folder/s.c
done
echo 'void A(void), B(void); int main(void) { A(); A(); B(); return 0; }' >same.c
need same A/s.c B/s.c ./same.c
rm new.json
capture "$arenashim" run --budget=new.json --update=0 -- ./same
is 'sites of the same name in two folders: one entry' "$status:$(jq -c '[.sites[].scopes]' new.json)" '0:[3]'
capture "$arenashim" run --budget=new.json -- ./same
is '... which the same run keeps' "$status:$err" 0:
check 'nothing is left in the folder' test -z "$(find . -name 'new.json.*')"
done_testing

#!/usr/bin/env bash
# arenashim report: what it makes of the statistics of several processes, as text and as JSON, and what
# it says of files that it cannot use.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 -g "$source_dir/tests/preload/stats.c"
cd "$tmp" || exit 99
for name in a b; do
    under "$tmp/cases" counts
    routed "statistics of process $name"
    mv "$tmp/stats" $name.json
done

report() {
    capture "$arenashim" report "$@"
}

# ---- merging -----------------------------------------------------------------------------------

report --json a.json b.json
is 'two processes: status' "$status:$err" 0:
mv "$tmp/out" sum.json
for key in threads scopes routed_calls routed_bytes freed_in_scope left_open passed_in_scope.total; do
    is "$key is added" "$(jq ".$key" sum.json)" "$(jq -s "map(.$key) | add" a.json b.json)"
done
for key in capacity_bytes high_water_bytes recommended_capacity_bytes; do
    is "$key is the highest" "$(jq ".$key" sum.json)" "$(jq -s "map(.$key) | max" a.json b.json)"
done
is 'each process is listed' "$(jq -c '[.processes[].pid]' sum.json)" \
    "$(jq -sc 'map(.pid) | sort' a.json b.json)"
is 'sites are one by label, file and line' \
    "$(jq -r '[.sites[] | "\(.label) \(.scopes) \(.routed_bytes) \(.peak_bytes) \(.histogram[-1])"] |
        join(", ")' sum.json)" 'outer 6 1800 432 6, inner 6 600 112 6'
is 'nesting is one by the chain of sites, and weighed with what is inside' \
    "$(jq -r '.nesting as $all | [.nesting[] | .in as $in | "\(.label) \(.scopes) \(.bytes) in \(
        $all[] | select(.node == $in).label)"] | join(", ")' sum.json)" 'inner 6 600 in outer'
is 'of the outermost node, too' "$(jq -c '[.nesting[] | select(.in == 0).bytes]' sum.json)" '[2400]'
jq '.sites[].line += 1000 | .nesting[].line += 1000' a.json >moved.json
report --json a.json moved.json
is 'sites of other lines are others' "$(jq '.sites | length' "$tmp/out"):$(jq '.nesting | length' "$tmp/out")" 4:4
report --json sum.json
is 'a sum is read again, and is the same' "$(jq -S . "$tmp/out")" "$(jq -S . sum.json)"
report --json b.json a.json
is 'the order of files changes nothing' "$(jq -S . "$tmp/out")" "$(jq -S . sum.json)"
jq 'del(.format, .host, .program, .nesting) | del(.sites[].histogram)' a.json >older.json
report --json older.json a.json
is 'the format before is read, too' "$status:$(jq -c '[.routed_calls, .format]' "$tmp/out")" '0:[18,2]'

mkdir folder
cp a.json folder && cp b.json folder/a.json.123
cp a.json folder/other.txt && cp a.json folder/a.jsonx && cp a.json folder/a.json.x1
report --json folder
is 'a folder stands for its .json files' "$status:$(jq -S . "$tmp/out")" "0:$(jq -S . sum.json)"

# ---- processes that differ ---------------------------------------------------------------------

for rank in 0 1 2 3 10 11; do
    jq --arg rank $rank '.rank = $rank | .routed_bytes += ($rank | tonumber % 10) |
        if $rank == "10" then .routed_bytes *= 3 else . end' a.json >r$rank.json
done
report --json r10.json r2.json r0.json r11.json r3.json r1.json
is 'processes are sorted by rank' "$(jq -c '[.processes[].rank]' "$tmp/out")" '["0","1","2","3","10","11"]'
is 'what differs from most is marked' \
    "$(jq -c '[.processes[] | select(.outliers) | [.rank, .outliers]]' "$tmp/out")" \
    '[["10",["routed_bytes"]]]'
report r*.json
like 'text: least, mean and most' "$out" '^  routed bytes +1200 +1601 +3600$'
like 'text: the outlier' "$out" '^ +10 .* <- routed_bytes$'

# ---- text --------------------------------------------------------------------------------------

report a.json b.json
like 'text: the routed share' "$out" '^  routed calls +18, 75\.0 % of those made in scopes$'
like 'text: a site' "$out" '^ +6 +12 +1800 +432 +0 +6 +0 +256  outer stats\.c:[0-9]+$'
like 'text: nesting' "$out" '^ +6 +600    inner stats\.c:[0-9]+$'
like 'text: what to run, by the whole name' "$out" "^  arenashim check -- $tmp/cases\$"
under ARENASHIM_CAPACITY=64K ARENASHIM_OVERFLOW=fallback ARENASHIM_MODULES='+cases,+libone*' \
    ARENASHIM_SCOPES='reset:opaque;main' ARENASHIM_END=retain "$tmp/cases" alive_in_one
jq '.routed_calls = 0 | .pid = 1 | .program = "sh" | .executable = "/bin/sh"' "$tmp/stats" >launcher.json
jq '.overflows = 3 | .left_open = 1 | .recommended_capacity_bytes = 70000 |
    .passed_in_scope.modules = [{name: "libtwo.so", calls: 9}]' "$tmp/stats" >given.json
report launcher.json given.json
given="--overflow=fallback --modules='+cases,+libone*' --end=retain --scope=reset:opaque --scope=main"
is 'commands repeat what was given, for the program behind a launcher' "$(sed -n 's/^  \(arenashim .*\)/\1/p' "$tmp/out")" \
    "arenashim run ${given} --capacity=70000 -- $tmp/cases
arenashim run --capacity=65536 ${given/ --modules=\'+cases,+libone\*\'/} --modules='+cases,+libone*,+libtwo.so' -- $tmp/cases
arenashim check --capacity=65536 $given -- $tmp/cases
arenashim advise -- $tmp/cases"
report --html=given.html launcher.json given.json
is 'the page is named for it' "$(grep -c '^<p>cases: 2 processes' given.html)" 1
jq '.sites[1].left_open = 3 | .left_open = 3' a.json >left.json
report left.json
like 'text: what was left open, by site' "$out" "^ +3  $(jq -r '.sites[1].label' a.json) stats\.c:[0-9]+\$"
report --html=left.html left.json
is 'page: what was left open, by site' "$(sed -n '/id=left>/,/<\/table>/p' left.html | grep -c '<tr><td')" 1
cp cases changed
under "$tmp/changed" alive
report stats
like 'text: a call by file and line' "$out" '^ +[0-9]+  draws_what_stays \(.*/stats\.c:[0-9]+\)$'
echo >>changed
report stats stats
is 'an object file that has changed: by offset' \
    "$status:$(grep -c 'stats\.c:' <<<"$(sed -n '/^What is alive/,/^What was/p' "$tmp/out" | grep ' (')"):$(
        grep -cE '^ +[0-9]+  \+0x[0-9a-f]+ \(changed\)$' "$tmp/out")" 0:0:2
one_line 'an object file that has changed: one line' "'$tmp/changed' has changed: calls in it are shown by their offset"
cat >plug.c <<'C'
#include <stdlib.h>
#include <arenashim/scope.h>
void *volatile kept;
void plug(void)
{
    ARENA_SCOPE("plug")
        kept = malloc(33); /* line 7 */
}
C
cat >plugged.c <<'C'
#include <dlfcn.h>
int main(void)
{
    void *handle = dlopen("./plug.so", RTLD_NOW);
    ((void (*)(void))dlsym(handle, "plug"))();
    return dlclose(handle);
}
C
need plug.so -g -O1 -fPIC -shared ./plug.c
need plugged ./plugged.c
under "$tmp/plugged"
routed 'a library that is unloaded'
cd / || exit 99
report "$tmp/stats"
cd "$tmp" || exit 99
like 'a library that was loaded by a relative name, and is unloaded: the call in it' "$out" '^ +1  plug \(.*/plug\.c:7\)$'
jq -n --argjson sites 10 -f "$source_dir/tests/reader/sites.jq" >ten.json
report ten.json
like 'text: a module worth routing, and no run-time library' "$out" \
    '^  arenashim run --modules=\+libfoo\.so\.1 -- server$'
like 'text: a capacity' "$out" '^  arenashim run --capacity=2002944 -- server$'
is 'modules: most calls first' "$(grep -oE 'lib(foo|c)\.so\.[0-9]$' "$tmp/out" | tr '\n' ' ')" \
    'libfoo.so.1 libc.so.6 '

# ---- files that cannot be used -----------------------------------------------------------------

# left_out DESCRIPTION FILE REASON: one line, and the other file is shown
left_out() {
    report "$2" a.json
    is "$1: the rest is shown" "$status:$(grep -c '^arenashim: 1 process,' "$tmp/out")" 1:1
    one_line "$1: one line" "'$2' $3"
}
head -c 300 a.json >cut.json
: >empty.json
jq '.format = 3' a.json >newer.json
echo '[1]' >list.json
printf '{"a":\n x}' >bad.json
left_out 'cut short' cut.json 'is left out: it is cut short$'
left_out 'empty' empty.json 'is left out: it is cut short$'
left_out 'a newer version' newer.json 'is left out: it is of format 3, .* up to 2;'
left_out 'other JSON' list.json 'is left out: it holds no statistics'
left_out 'no JSON' bad.json 'is left out: it is no JSON in line 2$'
left_out 'a missing file' none.json 'cannot be read: No such file or directory$'
report cut.json
is 'nothing to show: status' "$status:$out" 125:
like 'nothing to show: a line' "$err" '^arenashim: there is nothing to report$'
report
is 'no file: status' "$status:$out" 125:
one_line 'no file: one line' 'no file of statistics was given; see'
report --html="$tmp/none/page" a.json
is 'a page that cannot be written: status' "$status" 125
one_line 'a page that cannot be written: one line' "'$tmp/none/page' cannot be written: No such"
without_room() {
    (
        trap '' XFSZ
        ulimit -f 4
        exec "$arenashim" report --html="$1" a.json
    )
}
mkdir pages
echo before >pages/page
chmod 640 pages/page
capture without_room pages/page
is 'a page for which there is no room: the one before stays, alone' "$status:$(ls pages):$(<pages/page)" 125:page:before
one_line 'a page for which there is no room: one line' "'pages/page' cannot be written: File too large"
report --html=pages/page a.json
is 'a page in the place of another one' "$status:$(command stat -c %a pages/page):$(grep -c '</html>' pages/page):$(ls pages)" 0:640:1:page
ln -s page pages/link
report --html=pages/link a.json
is 'a page behind a link' "$status:$(readlink pages/link)" 0:page
report --html=/dev/stdout a.json
is 'a page on standard output' "$status:$(grep -c '</html>' "$tmp/out")" 0:1
for filter in '.sites = [1, null, {"label": 3}]' '.nesting = [{"node": 1, "in": 1, "label": "x"}]' \
    '.sites[0].histogram = ["x", -1, 4611686018427387904]' '.passed_in_scope = 7' '.sites[0].callers = {"a": 1}'; do
    jq "$filter" a.json >odd.json
    report --html=odd.html odd.json
    is "odd contents do no harm: $filter" "$status:$err" 0:
done

# ---- files that mean harm ----------------------------------------------------------------------

hostile='</title></svg></pre><script>alert(1)</script>&'
jq --arg text "$hostile" 'walk(if type == "string" then $text else . end) | .overflows = 1 | .sites[].overflows = 1 |
    .sites[].callers = [range(2) | {module: $text, function: "f\(.)", file: (if . == 0 then $text else "" end)}] |
    .passed_in_scope.modules = [{name: $text, calls: 1}]' a.json >hostile.json
for rank in 0 1 2 3; do
    jq --arg rank "$rank$hostile" '.rank = $rank | .routed_bytes = ($rank | explode[0])' hostile.json >hostile$rank.json
done
jq '.routed_bytes *= 100' hostile3.json >hostile4.json
report --html=hostile.html hostile?.json
is 'HTML in names: status' "$status:$err" 0:
check 'HTML in names: they are in the page' grep -q '&lt;script&gt;alert(1)&lt;/script&gt;&amp;' hostile.html
is 'HTML in names: all of it is escaped' "$(grep -cE '<script>alert|&$|</svg></pre>' hostile.html)" 0

jq 'del(.sites[].callers[].file_time) | walk(if type == "number" and . > 2 then "NUMBER" else . end) | .sites[].histogram = ([range(100)] | map("NUMBER")) |
    .format = 2' a.json | sed 's/"NUMBER"/9223372036854775807/' >huge.json
report --json huge.json huge.json huge.json
is 'numbers as high as they can be: sums do not wrap' \
    "$status:$err:$(grep -c '"routed_bytes": 9223372036854775807' "$tmp/out"):$(grep -c ': -' "$tmp/out")" 0::6:0
is 'numbers: a histogram ends where powers of two do' "$(jq '.sites[0].histogram | length' "$tmp/out")" 64
report huge.json huge.json huge.json
like 'numbers: text, and the mean over processes' "$out" '^  routed bytes *( *922337203685477580[78]){3}$'
report --html=huge.html huge.json huge.json
is 'numbers: the page' "$status:$err:$(grep -c '</html>' huge.html)" 0::1

mkfifo fifo folder/fifo.json
jq --arg name "$tmp/fifo" '.sites[0] |= (.live_at_end = 1 | .callers = [{"module": $name, offset: 16, blocks: 1, bytes: 2}])' a.json >waits.json
limit=5 report waits.json
is 'a FIFO as a module is not opened' "$status:$(grep -cF '+0x10 (fifo)' "$tmp/out")" 0:1
limit=5 report folder
is 'a FIFO in a folder is not, either' "$status:$(grep -c '^arenashim: 2 processes,' "$tmp/out")" 1:1
one_line 'but named' "'folder/fifo.json' is left out: it is no regular file\$"
rm folder/fifo.json
report <(cat a.json)
is 'one that the user names is read' "$status:$(grep -c '^arenashim: 1 process,' "$tmp/out")" 0:1

# Escape sequences, line ends, C1 controls, what turns the direction of text; and an umlaut.
jq 'walk(if type == "string" then "\u001b]0;x\u0007\n\u007f\u009b31m\u202e\u2066\u00fc" else . end) | .overflows = 1 |
    .sites[].live_at_end = 1 | .passed_in_scope.modules = [{name: "\u009b31m", calls: 1}]' a.json >obeyed.json
jq '.rank = "\u202e" | .sites[].callers = [{module: "\u001b", function: "\u009b", file: "\u0085"}]' obeyed.json >obeyed2.json
obeyed=$'[\x01-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]'
for arguments in 'report obeyed.json obeyed2.json' 'report --json obeyed.json obeyed2.json' 'diff a.json obeyed.json'; do
    # shellcheck disable=SC2086
    capture "$arenashim" $arguments
    is "what terminals obey is not printed: $arguments" "$err:$(grep -cP "$obeyed" "$tmp/out"):$(
        grep -q '?]0;x????31m??ü' "$tmp/out" && echo shown)" :0:shown
done

# Much of something: a ring of nodes, callers of one site, sites.
jq -c '.nesting = [range(4000) | {node: (. + 1), in: ((. + 1) % 4000 + 1), label: "l\(.)", scopes: 1}] |
    .sites[0] |= (.live_at_end = 1 | .callers = [range(20000) | {module: "m", function: "f\(.)", blocks: 1}]) |
    .sites += [range(20000) | {label: "s\(.)", routed_bytes: 1}]' a.json >much.json
limit=60 report --json much.json
is 'much of all: no node is lost, callers and sites are all there' \
    "$(jq -c '[(.nesting | length), ([.sites[].callers // [] | length] | max), (.sites | length)]' "$tmp/out")" '[4000,20000,20002]'
is 'a ring is cut into chains' \
    "$(jq '[foreach .nesting[] as $node ([0]; . + [.[$node.in] + 1]; .[-1])] | max' "$tmp/out")" 64
limit=60 capture "$arenashim" diff much.json much.json
is 'much of all is compared' "$status:$(wc -l <"$tmp/out")" 0:2
done_testing

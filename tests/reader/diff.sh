#!/usr/bin/env bash
# arenashim diff: what grew, shrank, is new and gone between two statistics, and when that is a failure.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

cd "$tmp" || exit 99
jq -n --argjson sites 6 -f "$source_dir/tests/reader/sites.jq" >before.json
jq '(.sites[] | select(.line == 101)) |= (.routed_bytes += 1000 | .peak_bytes += 1) |
    (.sites[] | select(.line == 102)) |= (.routed_bytes -= 300 | .routed_calls += 1) |
    (.sites[] | select(.line == 103)) |= (.label = "other" | .line = 999) | .routed_bytes += 700 | .left_open = 2' \
    before.json >after.json

diff() {
    capture "$arenashim" diff "$@"
}

diff before.json after.json
is 'without a limit nothing fails' "$status:$err" 0:
squeezed=$(sed 's/  */ /g; s/^ //' "$tmp/out")
is 'all differences are there, and no others' "$squeezed" 'before after
all
routed bytes 21000 21700 +3.3 %
left open 1 2 +100.0 %
grew
stage 1 of <the> query & answer module_1.cpp:101
routed bytes 2000 3000 +50.0 %
peak bytes 66 67 +1.5 %
shrank
stage 2 of <the> query & answer module_2.cpp:102
routed bytes 3000 2700 -10.0 %
routed calls 407 408 +0.2 %
new
other module_3.cpp:999
routed bytes 0 4000
routed calls 0 607
peak bytes 0 166
dropped alive 0 3
gone
stage 3 of <the> query & answer module_3.cpp:103
routed bytes 4000 0 -100.0 %
routed calls 607 0 -100.0 %
peak bytes 166 0 -100.0 %
dropped alive 3 0 -100.0 %'

# What a new line above, and a build in another folder, make of the same sites.
jq '(.sites[] | select(.line == 101)) |= (.line = 201 | .routed_bytes += 1000) |
    (.sites[] | select(.line == 102)).line = 202 |
    (.sites[] | select(.line == 103)).file = "/home/me/module_3.cpp" |
    .sites += [.sites[] | select(.line == 104) | (.line = 1, .line = 2)] | del(.sites[] | select(.line == 104)) |
    (.sites[] | select(.line == 105)) |= (.label = "" | .line = 205)' before.json >moved.json
jq '(.sites[] | select(.line == 105)).label = ""' before.json >unnamed.json
diff unnamed.json moved.json
is 'a site of one name on another line, or in another folder, has moved' \
    "$(sed 's/  */ /g; s/^ //' "$tmp/out" | grep -vE '^[a-z]+ [a-z]+ [0-9]+ [0-9]+')" 'before after
all
grew
stage 1 of <the> query & answer module_1.cpp:201, moved from /usr/src/part/module_1.cpp:101
moved
stage 3 of <the> query & answer module_3.cpp:103, moved from /usr/src/part/module_3.cpp:103
stage 2 of <the> query & answer module_2.cpp:202, moved from /usr/src/part/module_2.cpp:102
new
(no label) module_5.cpp:205
stage 4 of <the> query & answer module_4.cpp:1
stage 4 of <the> query & answer module_4.cpp:2
gone
(no label) module_5.cpp:105
stage 4 of <the> query & answer module_4.cpp:104'
diff --fail-over=40 unnamed.json moved.json
is 'and is compared' "$status:$(grep -c 'past the limit' "$tmp/out")" 1:1

diff --fail-over=100 before.json after.json
is 'nothing grew by more than 100 %' "$status:$err" 0:
diff --fail-over=99.9 before.json after.json
is 'something grew by more than 99.9 %: status' "$status:$err" 1:
is 'and is marked' "$(grep -c 'past the limit' "$tmp/out")" 1
diff --fail-over=40 before.json after.json
is 'a site that grew by more than 40 %' "$status:$(grep 'past the limit' "$tmp/out" | sed 's/  */ /g')" \
    '1: left open 1 2 +100.0 % past the limit
 routed bytes 2000 3000 +50.0 % past the limit'
diff --fail-over=0 before.json before.json
is 'the same is no growth' "$status:$(wc -l <"$tmp/out")" 0:2
jq '.misuses = 1' before.json >misused.json
diff --fail-over=1000 before.json misused.json
is 'from 0 any growth is too much' "$status:$(grep -c 'misuses .*past the limit' "$tmp/out")" 1:1
mkdir set
cp before.json set/1.json
jq '.pid = 2' before.json >set/2.json
"$arenashim" report --json set/1.json set/2.json >sum.json
diff --fail-over=0 set sum.json
is 'a folder and a sum are sets, too' "$status:$(wc -l <"$tmp/out")" 0:2

diff before.json
is 'one file: status' "$status" 125
one_line 'one file: one line' 'two statistics are compared, and 1 were given; see'
diff --fail-over=x before.json after.json
is 'no number: status' "$status" 125
one_line 'no number: one line' "--fail-over='x' is not accepted; it takes a number of percent"
diff before.json none.json
is 'a missing file: status' "$status" 125
like 'a missing file: a line' "$err" "^arenashim: 'none.json' cannot be read: No such file"
done_testing

#!/usr/bin/env bash
# The report: every promised key with a value that is exact where it can be told, valid JSON for any
# label, the text form, the file's name, and what happens when it cannot be written.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 stats.c
version=$(sed -n 's/^AC_INIT(\[[^]]*\], *\[\([^]]*\)\].*/\1/p' "$source_dir/configure.ac")

# ---- JSON --------------------------------------------------------------------------------------

under "$tmp/cases" counts
routed 'JSON'
check 'JSON parses' jq -e . "$tmp/stats"
for key in pid threads scopes routed_calls routed_bytes freed_in_scope overflows fallbacks \
    high_water_bytes recommended_capacity_bytes left_open misuses; do
    stat_is "key $key is a number" ".$key | type" number
done
stat_is 'key version' .version "$version"
stat_is 'key sites is a list' '.sites | type' array
stat_is 'key passed_in_scope has reasons and modules' \
    '.passed_in_scope | [.total, .paused, .not_participating, (.modules | type)] | map(tostring) |
     join(" ")' '3 3 0 array'
for key in label file line scopes routed_calls routed_bytes peak_bytes passed overflows live_at_end left_open; do
    stat_is "every site has $key" "[.sites[] | has(\"$key\")] | all" true
done
stat_is 'counts are exact' \
    '[.threads, .scopes, .routed_calls, .routed_bytes, .freed_in_scope, .overflows, .left_open] |
     map(tostring) | join(" ")' '1 6 9 1200 3 0 0'
# 100, 200 and 100 bytes take 112, 208 and 112 with their headers.
stat_is 'sites are exact' \
    '[.sites[] | "\(.label) \(.scopes) \(.routed_calls) \(.routed_bytes) \(.peak_bytes) \(
     .live_at_end)"] | sort | join(", ")' 'inner 3 3 300 112 3, outer 3 6 900 432 3'
stat_is 'the format has a number' '[.format, .program] | map(tostring) | join(" ")' '2 cases'
stat_is 'the host is named' .host "$(uname -n)"
stat_is 'scopes by what they came to, in powers of two' \
    '[.sites[] | "\(.label) \(.histogram | length - 1) \(.histogram[-1])"] | sort | join(", ")' \
    'inner 6 3, outer 8 3'
# shellcheck disable=SC2016
stat_is 'which site was begun in which' \
    '.nesting as $all | [.nesting[] | .in as $in |
     "\(.label) \(.scopes) in \($all[] | select(.node == $in).label)"] | join(", ")' 'inner 3 in outer'
stat_is 'the largest arena' .high_water_bytes 432
stat_is 'the recommended capacity is in pages' .recommended_capacity_bytes 4096

under "$tmp/cases" odd_labels
routed 'odd labels'
stat_is 'odd labels are escaped' '.sites[0] | "\(.label)|\(.file)|\(.line)"' \
    $'a "label" with \\ and \n and \x01|a\tfile|3'
stat_is 'bytes that are no UTF-8 are replaced' '.sites[1] | "\(.label)|\(.file)|\(.line)"' \
    $'\xc3\xa4 and \xef\xbf\xbd\xef\xbf\xbd|\xe2\x82\xac|4000000000'
stat_is 'no site is an empty label' '.sites[2] | "\(.label)|\(.file)|\(.line)"' '||0'
under "$tmp/cases" many_sites
routed 'many sites'
stat_is 'many sites: no scope and no call is lost' \
    '"\(.scopes) \(.routed_calls) \([.sites[].scopes] | add) \([.sites[].routed_calls] | add)"' \
    '4000 4000 4000 4000'
stat_is 'many sites: the further ones are named' \
    '[.sites[] | select(.label == "(further sites)")] | length' 1
under "$tmp/cases" equal_sites
stat_is 'equal sites are one' '[.sites[] | "\(.label) \(.file) \(.scopes)"] | join(",")' 'label file 3'
under "$tmp/cases" threads
stat_is 'threads with a scope are counted' '"\(.threads) \(.scopes) \(.routed_calls)"' '7 7 7'

under "$tmp/cases" deep_nesting
routed 'scopes nested 2,000 deep'
stat_is 'scopes nested 2,000 deep: all calls, nothing open' \
    '"\(.routed_calls) \(.left_open) \(.misuses)"' '4000 0 0'

under "$tmp/cases" exit_in_scope
routed 'exit in a scope'
stat_is 'exit in a scope: both are left open' '"\(.left_open) \(.scopes) \(.routed_calls)"' '2 2 1'
stat_is '... by site, too' '[.sites[].left_open] | add' 2
under "$tmp/cases" quick_exit_in_scope
routed '_exit in a scope'
stat_is '_exit in a scope: it is left open' .left_open 1

under "$tmp/cases" print_stats
routed 'arenashim_stats_print'
is 'arenashim_stats_print writes JSON, at once' \
    "$(jq -r '"\(.scopes) \(.routed_calls) \(.left_open)"' "$tmp/out")" '6 9 0
7 10 0'
stat_is 'arenashim_stats_print changes nothing' '"\(.scopes) \(.routed_calls) \(.left_open)"' '7 10 0'

# callers: site, function and line of each call that drew what was alive, by the report
callers() {
    "$arenashim" report --json "$tmp/stats" | jq -r --arg file "$here/stats.c" '
        [.sites[] | .label as $site | .callers // [] | .[] | select(.file == $file and .blocks > 0) |
         "\(.function):\(.line) in \($site), \(.bytes / .blocks) bytes"] | sort | join("\n")'
}

line() {
    grep -n "line of $1" "$here/stats.c" | cut -d: -f1
}

need cases -O1 -g stats.c
for end in '' reset retain; do
    under ${end:+ARENASHIM_END=$end} "$tmp/cases" alive
    routed "alive at the end${end:+, $end}"
    is "alive at the end${end:+, $end}: the calls, and no others" "$(callers)" \
        "alive:$(line calloc) in inner, 30 bytes
draws_what_stays:$(line 'what stays') in outer, 100 bytes"
done
for end in reset retain; do
    under ARENASHIM_END=$end "$tmp/cases" alive_in_one
    routed "one scope with many blocks alive, $end"
    is "one scope with many blocks alive, $end: early ones and late ones" "$(callers | cut -d, -f1)" \
        "draws_late:$(line 'what comes late') in one
draws_what_stays:$(line 'what stays') in one"
    check 'and not many of them' test "$(stat '[.sites[0].callers[].blocks] | add')" -le 128
    under ARENASHIM_END=$end "$tmp/cases" alive_around
    routed "a scope around others, $end"
    is "a scope around others, $end: early ones and late ones" "$(callers)" \
        "draws_late:$(line 'what comes late') in around, 100 bytes
draws_what_stays:$(line 'what stays') in around, 100 bytes"
    under ARENASHIM_END=$end "$tmp/cases" alive_late
    routed "what stays is drawn late, $end"
    is "what stays is drawn late, $end" "$(callers)" "draws_late:$(line 'what comes late') in late, 70 bytes"
    under ARENASHIM_END=$end "$tmp/cases" alive_in_its_place
    routed "a block in the place of another, $end"
    stat_is "a block in the place of another, $end: is not taken for it" \
        '.sites[0] | "\(.live_at_end + .survivors) \(.callers | length)"' '50 0'
done

under "$tmp/cases" many_scopes
routed 'many scopes'
stat_is 'many scopes: one of them stands for many' \
    '.sites[0].histogram |
     "\(add > 39500 and add <= 40000) \(.[9] / add | . > 0.2 and . < 0.3) \(.[6] + .[9] == add)"' \
    'true true true'
under "$tmp/cases" recursion
stat_is 'a scope in one of its own site is in no other' \
    '[.nesting[] | "\(.label) \(.scopes) \(.in)"] | join(", ")' 'recursion 9 0'
under "$tmp/cases" fork_between
mv "$tmp"/stats.* "$tmp/stats"
stat_is "a child's statistics hold none of its parent's scopes" \
    '[(.nesting, .sites)[] | "\(.label) \(.scopes)"] | join(", ")' 'child 1, child 1'

# ---- text --------------------------------------------------------------------------------------

text() {
    capture env LD_PRELOAD="$shim" "$@"
}

text ARENASHIM_STATS=text "$tmp/cases" counts
is 'text: the program works' "$status:$out" 0:
like 'text: a headline' "$err" "^arenashim $version: pid [0-9]+$"
for row in 'threads +1 ' 'scopes +6$' 'routed calls +9$' 'routed bytes +1200$' \
    'passed in scope +3 ' 'paused +3$' 'freed in scope +3 ' 'overflows +0$' \
    'largest arena +432 bytes' 'capacity +1048576 bytes' 'recommended capacity +4096 bytes' \
    'scopes left open +0$' 'misuses +0$'; do
    like "text: row '$row'" "$err" "^ +$row"
done
like 'text: a row per site' "$err" ' 3 +6 +900 +432 +0 +3  outer .*stats\.c:[0-9]+$'
text ARENASHIM_STATS_FILE="$tmp/text" "$tmp/cases" counts
is 'a file alone asks for the text' "$status:$err:$(grep -c 'routed calls  *9$' "$tmp/text")" 0::1
text "$tmp/cases" print_stats
is 'arenashim_stats_print without any setting writes the text' \
    "$status:$err:$(grep -c '^arenashim .*: pid' "$tmp/out")" 0::2
text "$tmp/cases" counts
is 'without a setting nothing is written' "$status:$out:$err" 0::

# The text names the module whose calls would be worth routing.
need libmod.so -O2 -fPIC -shared routing_lib.c
need routing -O2 routing.c "$tmp/libmod.so" -Wl,-rpath,"$tmp"
text ARENASHIM_STATS=text "$tmp/routing" library_draws
like 'text: modules that take no part are named' "$err" '^ +5  libmod\.so$'
like 'text: and the setting that would change it' "$err" 'ARENASHIM_MODULES=\+libmod\.so would route'

need overflow -O2 overflow.c
text ARENASHIM_STATS=text ARENASHIM_OVERFLOW=fallback ARENASHIM_CAPACITY=64K "$tmp/overflow" fallback
like 'text: what overflowed to the next allocator' "$err" '^ +overflow +[1-9][0-9]*$'
if [ "$(uname -m)" = x86_64 ]; then
    text ARENASHIM_STATS=text "$tmp/routing" generated_code
    [ "$out" = 'no executable memory' ] ||
        like 'text: callers that are unknown' "$err" '^ +unknown caller +1$'
    need threads -O2 threads.c
    text ARENASHIM_STATS=text "$tmp/threads" stepped
    like 'text: calls in signal handlers' "$err" '^ +in signal handlers +[1-9][0-9]*$'
else
    skip 'text: unknown callers, calls in signal handlers' 'their code is for x86-64'
fi

# ---- where to ----------------------------------------------------------------------------------

cd "$tmp" || exit 99
text ARENASHIM_STATS=json ARENASHIM_STATS_FILE='s.%p.%h.%%.%x.%' "$tmp/cases" counts
file=$(echo s.*)
is 'a file name with %p, %h and %%' "$file" \
    "s.$(jq .pid "$file").$(uname -n).%.%x.%"
text ARENASHIM_STATS=json ARENASHIM_STATS_FILE=relative.json "$tmp/cases" counts
is 'a relative file name' "$status:$(jq .routed_calls relative.json)" 0:9
printf '%09999d' 0 >old.json
text ARENASHIM_STATS=json ARENASHIM_STATS_FILE=old.json "$tmp/cases" counts
is 'a file is replaced' "$status:$(jq .routed_calls old.json)" 0:9

# unwritable DESCRIPTION FILE REASON
unwritable() {
    text ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$2" "$tmp/cases" counts
    is "$1: the exit status is the program's" "$status:$out" 0:
    one_line "$1: one line" "statistics cannot be written to '$2': $3\$"
}
unwritable 'a file as a folder' "$tmp/old.json/stats" 'Not a directory'
unwritable 'a folder' "$tmp" 'Is a directory'
if [ -w /dev/full ]; then
    unwritable 'a full device' /dev/full 'No space left on device'
else
    skip 'a full device' '/dev/full is not there'
fi
text ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/old.json/stats" "$tmp/cases" exit_in_scope
is 'unwritable, exit in a scope: status' "$status" 0

# ---- closed outputs ----------------------------------------------------------------------------

closed() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS=json "$tmp/cases" counts 1>&- 2>&-
}
capture closed
is 'closed outputs from the start: status' "$status" 0
under "$tmp/cases" close_output
is 'outputs closed by the program: the file is written' "$status:$(stat .routed_calls)" 0:9
text ARENASHIM_STATS=json "$tmp/cases" close_output
is 'statistics for a closed stderr are lost, and nothing else' "$status:$out:$err" 0::
done_testing

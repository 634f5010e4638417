#!/usr/bin/env bash
# `arenashim advise` from end to end, without measuring: what it finds and proves of a program with
# known answers, beside what the program counts; and its JSON, folded stacks and scope file.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need advice -O2 -g advice.c
read -r _ requests _ drawn _ inside _ bytes _ kept <<<"$("$tmp/advice" 2>&1)"

capture "$arenashim" advise --quiet --no-measure --json "$tmp/json" --folded "$tmp/folded" \
    --write "$tmp/scopes" -- "$tmp/advice"
check 'it answers' test "$status" -eq 0
text=$out

# of FUNCTION FILTER: of the candidate with that name
of() {
    jq -c ".candidates[] | select(.function == \"$1\") | $2" "$tmp/json"
}

# ---- the exact pass ---------------------------------------------------------------------------

by_name is 'activations, calls and deaths are those that the program counts' \
    "$(of advice_request '[.proven | .activations, .calls, .died_inside, .bytes, .surviving_activations]')" \
    "[$requests,$drawn,$inside,$bytes,$kept]"
by_name is 'and of the function around it, in which all die' \
    "$(of advice_serve '[.proven | .activations, .calls, .died_inside, .surviving_activations]')" \
    "[1,$drawn,$drawn,0]"
by_name is 'most bytes alive at once' "$(of advice_request .proven.most_bytes)" \
    $((20 * 100 + 190))
by_name is 'survivors come from the call that draws them' \
    "$(of advice_request '.survivors | [length, .[0].calls + 0, (.[0].stack[:2] | map(.function))]')" \
    "[1,$kept,[\"advice_draw\",\"advice_request\"]]"
by_name is 'file and line' "$(of advice_request '[(.file | sub(".*/"; "")), .line]')" \
    "[\"advice.c\",$(grep -n '^__.*advice_request' "$here/advice.c" | cut -d: -f1)]"
by_name is 'specs' "$(of advice_request .spec)" '"advice!advice_request"'
by_name is 'a function in which nothing dies is none to look at' "$(of advice_draw .spec)" ''
by_name is 'nor is main' "$(of main .spec)" ''

# ---- the sampled pass, exact for so few calls --------------------------------------------------

is 'all calls were sampled' "$(jq .sampled.one_in "$tmp/json")" 1
by_name is 'sampled figures' "$(of advice_request '.sampled | [.calls, .died_inside, .bytes] | map(floor)')" \
    "[$drawn,$inside,$bytes]"
is 'folded stacks hold all bytes' \
    "$(awk '/advice_draw/ { sum += $NF } END { print sum }' "$tmp/folded")" "$bytes"
is 'what dies in the request is marked below it' \
    "$(awk '/;advice_request;advice_draw_\[i\] [0-9]+$/ { sum += $NF } END { print sum }' "$tmp/folded")" \
    $((bytes - 1000 * kept))
is 'what dies in its caller is marked from there' \
    "$(awk '/;advice_serve;advice_request_\[i\];advice_draw_\[i\] [0-9]+$/ { sum += $NF } END { print sum }' "$tmp/folded")" \
    $((1000 * kept))
unlike 'each line is frames and a number' "$(<"$tmp/folded")" '^[^;]*$|[^0-9]$'

# ---- what is said of it -----------------------------------------------------------------------

by_name like 'the table has the function' "$text" \
    "^ *$requests +$drawn .* advice!advice_request \(advice\.c:[0-9]+\)$"
is 'nothing was measured' "$(jq -r '.verdict, .recommended, ([.contenders[].rounds] | add)' "$tmp/json" | tr '\n' ' ')" \
    "$(jq -r .verdict "$tmp/json") null 0 "
like 'the scope file says why it is empty' "$(<"$tmp/scopes")" '^# No (verdict|scope pays here): .'
unlike 'and has no spec' "$(<"$tmp/scopes")" '^[^#]'
is 'plans name what they set' \
    "$(jq -r '[.contenders[] | select(.kind == "process") | .environment] | tostring' "$tmp/json")" \
    '[{"ARENASHIM_SCOPES":"process"}]'

mkdir "$tmp/alone"
cp "$shim" "$(find "${shim%/*}" -name libarenashim-watch.so)" "$tmp/alone"
capture "$arenashim" advise --quiet --no-measure --shim="$tmp/alone/${shim##*/}" --json "$tmp/json" -- "$tmp/advice"
is 'without the part that wraps nothing is proven' "$status:$(jq -c .candidates "$tmp/json")" '0:[]'
one_line '... and it is said why' 'no function is wrapped'

# ---- a stripped program -----------------------------------------------------------------------

if have strip; then
    entry=$(nm "$tmp/advice" | awk '$3 == "advice_request" { print "0x" $1 }')
    strip -o "$tmp/bare" "$tmp/advice"
    capture "$arenashim" advise --quiet --no-measure --json "$tmp/json" -- "$tmp/bare"
    by_name is 'functions of a stripped program are known by their offsets' \
        "$(of "+$(printf '0x%x' "$entry")" '[.spec, .proven.calls, .proven.died_inside]')" \
        "[\"bare!+$(printf '0x%x' "$entry")\",$drawn,$inside]"
else
    skip 'a stripped program' 'strip is not installed'
fi
done_testing

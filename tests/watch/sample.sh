#!/usr/bin/env bash
# What sampling says of blocks whose lives are known: exactly, and one in so many.
#
# shellcheck disable=SC2154 # common.sh sets them
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tool=$(realpath "${BUILDDIR:-.}/tests/watch/record")
flags=(-O1 -fno-inline -fno-optimize-sibling-calls)
need lives "${flags[@]}" lives.c
need lives_cc "${flags[@]}" lives.cc
need library_1.so "${flags[@]}" -shared -fPIC -DNUMBER=1 library.c
need library_2.so "${flags[@]}" -shared -fPIC -DNUMBER=2 library.c
export LIBRARY_1=$tmp/library_1.so LIBRARY_2=$tmp/library_2.so
names=$(for module in lives lives_cc library_1.so library_2.so; do
    nm -C "$tmp/$module" | sed -nE "s/^0*([0-9a-f]+) [tTwW] ([a-z_0-9]+)(\(.*)?$/$module+0x\1 \2/p"
done)

# watched PROGRAM [CASE]: runs it and leaves what was recorded in $tmp/lines, functions by name
watched() {
    local program=$1
    shift
    capture env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" "$tmp/$program" "$@"
    if [ "$status" -ne 0 ] || [ -n "$err" ]; then
        not_ok "$program $* runs" "$(last_run)"
    fi
    "$tool" print "$tmp/record" | awk -v names="$names" '
        BEGIN { split(names, pairs); for (i = 1; i in pairs; i += 2) name[pairs[i]] = pairs[i + 1] }
        /^(stack|life) / {
            split($NF, frames, ";")
            stack = ""
            for (i = 1; i in frames; i++)
                stack = stack ";" (frames[i] in name ? name[frames[i]] : frames[i])
            $NF = stack
            if ($1 == "life" && $3 in name)
                $3 = name[$3]
        }
        { print }' >"$tmp/lines"
}

# sampled EVERY PROGRAM [CASE]
sampled() {
    "$tool" make "$tmp/record" sample "$1" "$2"
    watched "${@:2}"
}

# lives FUNCTION: "END BOUND CALLS BYTES" of the blocks that were drawn with it on the stack
lives() {
    awk -v function_="$1" '
        $1 == "life" && ($NF ";") ~ ";" function_ ";" { calls[$2 " " $3] += $4; bytes[$2 " " $3] += $5 }
        END { for (key in calls) print key, calls[key], bytes[key] }' "$tmp/lines" | sort
}

# drawn FUNCTION: "CALLS BYTES" that were drawn with it on the stack
drawn() {
    awk -v function_="$1" '
        $1 == "stack" && ($NF ";") ~ ";" function_ ";" { calls += $2; bytes += $3 }
        END { print calls + 0, bytes + 0 }' "$tmp/lines"
}

number() {
    awk -v name="$1" '$1 == name { print $2 }' "$tmp/lines"
}

sampled 1 lives callee
is 'what a function frees dies in it' "$(lives callee)" '1 callee 100 1000'
is 'its stack has the callers alone' \
    "$(awk '/^stack/ && /;callee$/ { gsub(/(;[a-z.0-9-]+\+0x[0-9a-f]+)+/, ";-"); print $2, $4 }' "$tmp/lines")" \
    '100 ;_start;-;main;run_case;by_callee;callee'
is 'no stack is cut, too deep or dropped' \
    "$(number cut) $(number too_deep) $(number dropped)" '0 0 0'
sampled 1 lives caller
is 'what the caller frees dies in the caller' "$(lives by_caller)" '1 caller 100 2000'
sampled 1 lives two_up
is 'what a caller two levels up has freed dies there' "$(lives by_two_up)" '1 two_up 100 3000'
sampled 1 lives other
is 'what another thread frees has no bound' "$(lives by_other)" '2 - 100 4000'
sampled 1 lives turn
is 'what the next turn frees seems to die in the same' "$(lives by_next_turn)" '1 turn 100 5000'
sampled 1 lives shifted
is 'but not where it lies elsewhere on the stack' "$(lives by_shifted_turn)" '1 shift 100 5000'
sampled 1 lives by_turns
is 'two functions at one place are two' "$(lives first)" '1 by_turns 100 5500'
sampled 1 lives never
is 'what is never freed has no life' "$(lives never) $(drawn factory)" ' 100 6000'

sampled 1 lives recursion
is 'recursive calls are told apart by their place' "$(lives descend)" '1 descend 99 6930
1 recursion 1 70'
is 'one that frees has as many frames of the function as its depth says' \
    "$(awk '/^life/ && /descend/ { print gsub(/;descend/, "") }' "$tmp/lines" | sort -n | xargs)" \
    "$(seq -s ' ' 100)"
sampled 1 lives deep
is 'of deeper stacks there is the number alone' \
    "$(test "$(number too_deep)" -gt 80 && echo many) $(drawn too_deep | cut -d' ' -f2 | tr -d '\n')" \
    "many $((80 * (601 - $(number too_deep))))"
is 'a block that is freed too deep has a life without a bound' "$(lives draw)" '1 - 1 90'

sampled 1 lives resized
is 'a block that moves is the same' "$(lives resizer)" '1 resizer 100 10000'
sampled 1 lives forked
is 'what a child draws is added' "$(lives callee)" '1 callee 2 20'
is 'what its parent drew is not followed there' "$(lives draw) $(number processes)" '1 forked 1 110 2'
sampled 1 lives unloaded
is 'frames of libraries that are gone have their names' \
    "$(lives library_draw_1) $(lives library_draw_2)" '1 unloaded 1 301 1 unloaded 1 302'
sampled 1 lives threads
is 'threads with the smallest stacks' "$(lives callee)" '1 callee 100 1000'
like 'blocks that die at the exit of their thread' "$(lives small_thread)" '^1 lib(c|pthread).*\+0x[0-9a-f]+ 100 12000$'

sampled 1 lives raised
is 'handlers on a stack of their own' "$(lives handler)" '1 handler 100 13000'
is 'their stack is that of what they interrupt' "$(drawn raised)" '100 13000'
sampled 1 lives interrupted
is 'handlers that interrupt the watching' "$(lives interrupted | cut -d' ' -f-2 | sort -u | xargs)" \
    '1 handler 1 interrupted'
sampled 1 lives forking
is 'forks from them' "$(number processes)" 101

if [ "$(uname -m)" = x86_64 ]; then
    sampled 1 lives generated
    is 'generated code cuts the stack, in no module' \
        "$(number cut) $(number cut_module) $(drawn generated)" '100 0 0 0'
else
    skip 'generated code cuts the stack' 'the code is for x86-64'
fi

sampled 1 lives_cc
is 'operator new and delete' "$(lives user)" '1 user 100 400'
is 'what an exception unwinds, and the exception' \
    "$(lives catcher | cut -d' ' -f-3)" '1 catcher 100
1 unwound 100'

# Wrapped functions: neither the wrapper's frame nor the code that it jumps to.
if wraps; then
    known() {
        grep -E '^(stack|life) .*;(two_up|by_two_up);' "$tmp/lines" | sort
    }
    sampled 1 lives two_up
    plain=$(known)
    named=() scopes=''
    for name in by_two_up two_up draw; do
        named+=("$tmp/lives" "$(sed -n "s/^lives+\(.*\) $name\$/\1/p" <<<"$names")")
        scopes+="lives!$name;"
    done
    "$tool" make "$tmp/record" prove 1 lives "${named[@]}"
    ARENASHIM_SCOPES=${scopes%;} watched lives two_up
    is 'frames of wrapped functions are what they are without' "$(known | grep -v '^life 3')" "$plain"
    like 'and they are wrapped' "$(<"$tmp/lines")" '^function 2 activations 100$'
else
    skip 'frames of wrapped functions' 'built without functions by name'
fi

# One in 50 of 40,000: 400 samples for each 20,000 calls, and a standard error of 5%, less than this as
# the gaps vary less than those of independent draws.
sampled 50 lives many
error() {
    awk -v got="$(lives "$1" | cut -d' ' -f3)" -v wanted="$2" \
        'BEGIN { error = got / wanted - 1; if (error * error > 0.04) print got }'
}
is 'one in so many: within four standard errors' "$(error callee 20000)$(error caller 10000)$(error two_up 10000)" ''
is 'the counters are exact' "$(($(number calls) / 1000)) $(($(number frees) / 1000))" '40 40'

# 4,000 calls, by processes that make fewer than are left out: 40 or so, and a standard error of 16%.
sampled 100 lives children
check 'children are sampled each in its own way' \
    awk -v got="$(lives callee | cut -d' ' -f3)" 'BEGIN { exit !(got > 1600 && got < 6400) }'

"$tool" make "$tmp/record" count 1 lives
watched lives many
check 'a run that counts knows what malloc and what a stack costs' \
    test "$(number nanoseconds)" -gt 0 -a "$(number sampled)" -gt 0 -a "$(number sampling)" -gt 0
is 'and the calls' "$(($(number calls) / 1000)) $(($(number frees) / 1000))" '40 40'

done_testing

#!/usr/bin/env bash
# What children inherit: each writes statistics of its own, and ARENASHIM_FOLLOW=0 leaves them
# without the shim.
#
# Text in single quotes is for the shells that inherit.
# shellcheck disable=SC2154,SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need children -O2 children.c

# scopes_in FILE...: the scopes that each file counts; a shell has none
scopes_in() {
    jq -r 'select(.scopes > 0).scopes' "$@" | sort -n | tr '\n' ' '
}

# parent VARIABLE=VALUE...: runs the program, which forks once and starts itself by a shell
parent() {
    rm -f "$tmp"/report*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json "$@" "$tmp/children" \
        "'$tmp/children'; true"
}

parent ARENASHIM_STATS_FILE="$tmp/report"
is 'children: the program works' "$status:$err" 0:
is 'children: the parent has the name to itself' "$(scopes_in "$tmp/report")" '3 '
# The program that the shell starts, and the forked child.
is 'children: each has a file of its own' "$(scopes_in "$tmp"/report.*)" '1 2 '
parent ARENASHIM_STATS_FILE="$tmp/report.%p"
is 'children, %p in the name: each has a file of its own' "$(scopes_in "$tmp"/report.*)" '1 2 3 '
parent ARENASHIM_STATS_FILE="$tmp/report.100%%p"
is 'children, %%p in the name is no process ID' "$(scopes_in "$tmp/report.100%p")" '3 '


# Percent signs that mean no process.
for ending in % %%%%% %x %%p '%{x}'; do
    parent ARENASHIM_STATS_FILE="$tmp/report$ending"
    is "children, '$ending' in the name: each has a file of its own" "$(scopes_in "$tmp"/report*)" '1 2 3 '
    is "children, '$ending' in the name: the parent has the name to itself" \
        "$(scopes_in "$tmp/report${ending//%%/%}")" '3 '
done

# The process stays the same when it becomes another program.
rm -f "$tmp"/report*
capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/report" \
    bash -c "exec '$tmp/children'"
is 'exec keeps the name' "$status:$(scopes_in "$tmp/report")" '0:1 '

name=$(printf 'f%.0s' {1..4090})
capture env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE="$name" "$tmp/children"
one_line 'a name with no room for an ending: one line' 'the statistics cannot be written'

# ---- ARENASHIM_FOLLOW --------------------------------------------------------------------------

parent ARENASHIM_STATS_FILE="$tmp/report" ARENASHIM_FOLLOW=0
is 'without following: the program works' "$status:$err" 0:
is 'without following: only forked children report' "$(scopes_in "$tmp"/report*)" '2 3 '
parent ARENASHIM_STATS_FILE="$tmp/report" ARENASHIM_FOLLOW=1
is 'following is the default' "$(scopes_in "$tmp"/report*)" '1 2 3 '

mkdir "$tmp/first" "$tmp/second"
echo 'int other;' >"$tmp/other.c"
need first/libother.so -shared -fPIC "$tmp/other.c"
cp "$tmp/first/libother.so" "$tmp/second/libother.so"
one=$tmp/first/libother.so two=$tmp/second/libother.so
# left LIST WANTED: what children see of LD_PRELOAD=LIST
left() {
    capture env LD_PRELOAD="$1" ARENASHIM_FOLLOW=0 "$(type -P bash)" -c 'echo "${LD_PRELOAD-none}"'
    is "LD_PRELOAD=${1//"$tmp"/} becomes ${2//"$tmp"/}" "$status:$out:$err" "0:$2:"
}
left "$shim" none
left "$shim:$shim" none
left "$shim:$one" "$one"
left "$shim $one:$two" "$one:$two"
left "$one:$shim" "$one"
left "$one:$shim:$two" "$one:$two"
left "$one $two:$shim:" "$one $two"
# What the dynamic linker puts in the place of a token: every answer leads to the shim here.
cp "$(type -P bash)" "$tmp/bash"
for place in lib lib64 "lib/$($cc -print-multiarch)" "lib/$(uname -m)-linux-gnu" "$(uname -m)" \
    haswell xeon_phi; do
    mkdir -p "$tmp/tokens/$place"
    ln -sf "$shim" "$one" "$tmp/tokens/$place"
done
tokens=$tmp/tokens
for place in '$ORIGIN/tokens/lib' '${ORIGIN}/tokens/lib' "$tokens/\$LIB" "$tokens/\${LIB}" \
    "$tokens/\$PLATFORM" "$tokens/\${PLATFORM}"; do
    capture env LD_PRELOAD="$place/libarenashim.so:$place/libother.so" ARENASHIM_FOLLOW=0 \
        ARENASHIM_STATS=text "$tmp/bash" -c 'echo "${LD_PRELOAD-none}"'
    is "the shim in ${place#"$tmp"} is taken out" "$status:$out" "0:$place/libother.so"
    like "the shim in ${place#"$tmp"} was preloaded" "$err" '^arenashim 0'
done
capture env LD_LIBRARY_PATH="$(dirname "$shim")" LD_PRELOAD=libarenashim.so ARENASHIM_FOLLOW=0 \
    "$(type -P bash)" -c 'echo "${LD_PRELOAD-none}"'
is 'a name that was looked up is taken out' "$status:$out:$err" 0:none:
capture env LD_LIBRARY_PATH="$(dirname "$shim")" LD_PRELOAD="libarenashim.so $two" \
    ARENASHIM_FOLLOW=1 "$(type -P bash)" -c 'echo "${LD_PRELOAD-none}"'
is 'with following the list stays' "$status:$out:$err" "0:libarenashim.so $two:"
done_testing

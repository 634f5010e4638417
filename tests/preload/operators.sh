#!/usr/bin/env bash
# Programs and libraries that replace some of the C++ operators and leave the others to the run-time
# library: every form comes to what it comes to without the shim, in scopes, out of them, and before
# main. And what operator new does when there is no memory.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

flags=(-std=c++17 -O1 -Wno-alloc-size-larger-than -Wno-unknown-warning-option)

# same DESCRIPTION [VARIABLE=VALUE...] PROGRAM: the output is that without the shim, and something
# was routed, if the scopes are such as to route.
same() {
    local description=$1 plain
    shift
    capture "${@: -1}"
    plain=$status:$out:$err
    under "$@"
    if [ "$status:$out:$err" = "$plain" ] && [ "$status" = 0 ]; then
        ok "$description"
    else
        not_ok "$description" "$(diff <(echo "$plain") <(echo "$status:$out:$err"))"
    fi
    [ -z "$scopes" ] || check "$description: routed" test "$(stat .routed_calls)" -gt 0
}

replaced=(-DPLAIN -DARRAYS -DALIGNED '-DPLAIN -DARRAYS' '-DPLAIN -DALIGNED'
    '-DPLAIN -DARRAYS -DALIGNED' -DNONE)
for set in "${replaced[@]}"; do
    # shellcheck disable=SC2086
    need operators "${flags[@]}" $set operators.cc
    # shellcheck disable=SC2086
    need marked "${flags[@]}" $set -DMARKED operators.cc
    scopes='' same "$set: passing through" "$tmp/operators"
    scopes='' same "$set: disabled" ARENASHIM_DISABLE=1 "$tmp/operators"
    scopes=1 same "$set: in a marked scope" "$tmp/marked"
    scopes=1 same "$set: in a marked scope that retains" ARENASHIM_END=retain "$tmp/marked"
    scopes=1 same "$set: the process" ARENASHIM_SCOPES=process "$tmp/operators"
    scopes=1 same "$set: blocks are checked" ARENASHIM_DEBUG=verify "$tmp/marked"
done

# In a library behind the shim what is routed never comes to it, and all else does.
for set in "${replaced[@]}"; do
    # shellcheck disable=SC2086
    need libreplaced.so "${flags[@]}" $set -DPART=1 -fPIC -shared operators.cc
    need operators "${flags[@]}" -DPART=2 operators.cc "$tmp/libreplaced.so" -Wl,-rpath,"$tmp"
    scopes='' same "$set, in a library: passing through" "$tmp/operators"
    need marked "${flags[@]}" -DPART=2 -DMARKED operators.cc "$tmp/libreplaced.so" -Wl,-rpath,"$tmp"
    under "$tmp/marked"
    routed "$set, in a library: in a marked scope"
    is "$set, in a library: it is not called" "$(grep -v ' 0 0 0 0 0 0$' <<<"$out" | sort -u)" thrown
done

# Constructors of the program's libraries run before the shim's.
echo 'extern "C" void touch_library(); void touch_library() {}' >"$tmp/touch.cc"
need libearly.so "${flags[@]}" -DPART=2 -DEARLY -fPIC -shared operators.cc "$tmp/touch.cc"
for set in -DPLAIN '-DPLAIN -DARRAYS -DALIGNED' -DNONE; do
    # shellcheck disable=SC2086
    need early "${flags[@]}" $set operators.cc -Wl,--no-as-needed "$tmp/libearly.so" -Wl,-rpath,"$tmp"
    scopes='' same "$set: before main" "$tmp/early"
    scopes=1 same "$set: before main, the process" ARENASHIM_SCOPES=process "$tmp/early"
    # shellcheck disable=SC2086
    need libreplaced.so "${flags[@]}" $set -DPART=1 -fPIC -shared operators.cc
    need early "${flags[@]}" -DPART=2 operators.cc -Wl,--no-as-needed "$tmp/libearly.so" \
        "$tmp/libreplaced.so" -Wl,-rpath,"$tmp"
    scopes='' same "$set, in a library: before main" "$tmp/early"
done

# ---- no memory ---------------------------------------------------------------------------------

need handler "${flags[@]}" new_handler.cc
for settings in ARENASHIM_OVERFLOW=grow ARENASHIM_SCOPES=process 'ARENASHIM_SCOPES=process ARENASHIM_END=reset'; do
    scopes=''
    [ "$settings" = ARENASHIM_OVERFLOW=grow ] || scopes=1
    # shellcheck disable=SC2086
    same "new_handler: $settings" $settings "$tmp/handler"
done
need handler "${flags[@]}" -DMARKED new_handler.cc
scopes=1 same 'new_handler: in a marked scope' "$tmp/handler"
done_testing

#!/usr/bin/env bash
# Exceptions that leave scopes, with the C++ run-time library shared and as a part of the program.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# every DESCRIPTION [VARIABLE=VALUE...] COMMAND...: all cases
every() {
    local description=$1 name
    shift
    for name in $("$tmp/thrown"); do
        under "$@" "$name"
        routed "$description: $name"
        stat_is "$description: $name: nothing is misuse" '"\(.misuses) \(.left_open)"' '0 0'
    done
}

loader=$(readelf -l "$(command -v env)" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
for linked in '' -static-libstdc++ '-static-libstdc++ -static-libgcc' \
    '-static-libstdc++ -no-pie -fno-pie'; do
    # shellcheck disable=SC2086
    if ! build thrown -std=c++17 -O2 $linked thrown.cc; then
        skip "$linked" 'libstdc++.a is not installed'
        continue
    fi
    every "${linked:-shared}" "$tmp/thrown"
    every "${linked:-shared}, checked" ARENASHIM_DEBUG=poison "$tmp/thrown"
    every "${linked:-shared}, started through the dynamic linker" "$loader" "$tmp/thrown"
done
done_testing

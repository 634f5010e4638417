#!/usr/bin/env bash
# Libraries at work with thousands of their functions patched: results are byte for byte those
# without.
#
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

run=$(realpath "${BUILDDIR:-.}")/tests/wrap/run_patched
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
export PYTHONHASHSEED=0 LC_ALL=C

# work NAME LIBRARY FUNCTIONS CALLS: how many of each there are at least
work() {
    local name=$1 library=$2 status=0 patched calls
    "$run" plain "$name" "$library" >"$tmp/plain" 2>"$tmp/error" || status=$?
    if [ "$status" -eq 77 ]; then
        skip "$name" "$(<"$tmp/error")"
        return
    fi
    is "$name: runs" "$status" 0
    "$run" patched "$name" "$library" >"$tmp/patched" 2>"$tmp/counts"
    is "$name: runs patched" "$?" 0
    check "$name: the same results" cmp "$tmp/plain" "$tmp/patched"
    check "$name: there are results" test -s "$tmp/plain"
    read -r patched _ _ calls _ <"$tmp/counts"
    check "$name: at least $3 functions are patched" test "$patched" -ge "$3"
    check "$name: at least $4 calls" test "$calls" -ge "$4"
    tap_comment "$(<"$tmp/counts")"
}

work math libm.so.6 450 5000
work zlib libz.so.1 50 500
work libc libc.so.6 1500 15000
work sqlite libsqlite3.so.0 200 100000
work crypto libcrypto.so.3 3000 10000
work python "$(python3 -c 'import sysconfig; print(sysconfig.get_config_var("INSTSONAME"))' || echo python3)" 1000 500000
done_testing

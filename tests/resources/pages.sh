#!/usr/bin/env bash
# A system whose pages are 64 KiB, as page_lib.c plays it: a program that does everything for which
# the shim calls the system works and is routed, in each kind of scopes, and no call is refused for
# an address that is not a page's. So do the unit tests of memory.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need page_lib.so -O1 -shared -fPIC page_lib.c
need faults -O1 faults.c
under "$tmp/faults"
ran="$status:$out:$err"
usual=$(stat '"\(.scopes) \(.routed_calls) \(.threads)"')

export PAGE_OF=libarenashim PAGE_LOG=$tmp/log
behind=$tmp/page_lib.so

# works WHAT VARIABLE=VALUE...
works() {
    local what=$1
    shift
    : >"$PAGE_LOG"
    under "$@" "$tmp/faults"
    is "$what: the program works, quietly" "$status:$out:$err" "$ran"
    is "$what: each call is of whole pages" "$(sort "$PAGE_LOG" | uniq -c)" ''
}

works 'marks' ARENASHIM_CAPACITY=8K
stat_is 'marks: the same calls are routed' '"\(.scopes) \(.routed_calls) \(.threads)"' "$usual"
stat_is 'marks: a capacity is whole pages' .capacity_bytes 65536
works 'marks, in reserved addresses' PAGE_RESERVED=yes
stat_is 'in reserved addresses: the same calls are routed' \
    '"\(.scopes) \(.routed_calls) \(.threads)"' "$usual"
works 'retain' ARENASHIM_END=retain
check 'retain: routed' test "$(stat .routed_calls)" -gt 0
works 'retain, with a small capacity' ARENASHIM_END=retain ARENASHIM_CAPACITY=100K
works 'process' ARENASHIM_SCOPES=process
check 'process: routed' test "$(stat .routed_calls)" -gt 0
if wraps; then
    works 'functions' ARENASHIM_SCOPES='draw'
    check 'functions: routed' \
        test "$(stat '.sites[] | select(.label | endswith("draw")) | .routed_calls')" -gt 0
else
    skip 'functions' 'built without functions by name'
fi
works 'debug' ARENASHIM_DEBUG=poison,verify,quarantine
check 'debug: routed' test "$(stat .routed_calls)" -gt 0

# unit NAME CASE: the unit tests of a part
unit() {
    local program=$BUILDDIR/tests/shim/check_$1
    if [ ! -x "$program" ]; then
        skip "check_$1, $2" 'it is not built'
        return
    fi
    : >"$PAGE_LOG"
    capture env LD_PRELOAD="$behind" PAGE_OF="check_$1" CK_RUN_CASE="$2" "$program"
    check "check_$1, $2: no test fails" test "$status" -eq 0 -a -s "$tmp/out"
    is "check_$1, $2: each call is of whole pages" "$(sort "$PAGE_LOG" | uniq -c)" ''
}
unit region reservation
unit region memory
unit retain contents
unit retain large
unit retain realloc
unit retain sweep

done_testing

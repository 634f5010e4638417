#!/usr/bin/env bash
# The ARENASHIM_ variables as a program meets them: each value that is not accepted and each name
# that does not exist is exactly one line on stderr, the default is used, and the program's output
# and exit status are its own. Set-user-ID programs ignore the environment.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need simple simple.c
ran="7:sum 45"

# settings: what stands in the statistics of the settings
settings='"\(.capacity_bytes) \(.overflows)"'

# accepted VARIABLE=VALUE...: nothing is said
accepted() {
    under "$@" "$tmp/simple"
    is "$*: accepted" "$status:$out:$err" "$ran:"
    check "$*: routed" test "$(stat .routed_calls)" -gt 0
}

# refused VARIABLE VALUE ERE: one line with the variable, the value and what is accepted
refused() {
    local quoted
    under "$1=$2" "$tmp/simple"
    is "$1='$2': the program's output and status are its own" "$status:$out" "$ran"
    # As a pattern for [[ =~ ]] the value stands as it is, but for a tab.
    quoted=$(sed 's/[][\\.*^$+?(){}|]/\\&/g; s/\t/\\\\x09/g' <<<"$2")
    one_line "$1='$2': one line" "$1='$quoted' .*takes $3"
    stat_is "$1='$2': the default is used" "$settings" '1048576 0'
    check "$1='$2': routed" test "$(stat .routed_calls)" -gt 0
}

bytes='a number of bytes from 4K to 1024G, with an optional suffix K, M or G$'
for value in '' 0 -1 +4096 4095 1M1 1MB 1T ' 1M' '1M ' 1.5M 0x10000 1e6 1025G K M- \
    18446744073709551616 99999999999999999999999 17179869184G 18446744073710600192 \
    18014398509483008K $'1M\t' '%s%s%n'; do
    refused ARENASHIM_CAPACITY "$value" "$bytes"
done
refused ARENASHIM_LIMIT 4095 "$bytes"
refused ARENASHIM_LIMIT unlimited "$bytes"
for value in '' Grow GROW none 'grow ' grow,error 0; do
    refused ARENASHIM_OVERFLOW "$value" 'grow, fallback, error or abort$'
done
for value in '' 0 8 15 17 24 48 8192 64K -16 1M x; do
    refused ARENASHIM_ALIGN "$value" 'a power of two from 16 to 4096$'
done
for value in '' ',' + - '+,' 'main,' ',main' 'a,,b' "$(printf 'x%.0s' {1..1100})"; do
    refused ARENASHIM_MODULES "$value" 'a comma list of marked, main, all and module name globs'
done
for value in '' yes no 2 true; do
    refused ARENASHIM_DISABLE "$value" '0 or 1$'
done

# The two that `under` itself sets.
capture env LD_PRELOAD="$shim" ARENASHIM_STATS=xml "$tmp/simple"
is "ARENASHIM_STATS='xml': the program's output and status are its own" "$status:$out" "$ran"
one_line "ARENASHIM_STATS='xml': one line" "ARENASHIM_STATS='xml' .*takes text or json\$"
capture env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE= "$tmp/simple"
is "ARENASHIM_STATS_FILE='': the program's output and status are its own" "$status:$out" "$ran"
one_line "ARENASHIM_STATS_FILE='': one line" "ARENASHIM_STATS_FILE='' .*takes a file name"
capture env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE="$(printf 'x%.0s' {1..4096})" "$tmp/simple"
is 'ARENASHIM_STATS_FILE, too long: status' "$status:$out" "$ran"
one_line 'ARENASHIM_STATS_FILE, too long: one line' "takes a file name of at most 4095 bytes\$"

for setting in CAPACITY=4096 CAPACITY=4K CAPACITY=64k CAPACITY=1g CAPACITY=2M CAPACITY=100000 \
    LIMIT=1M LIMIT=2G OVERFLOW=grow OVERFLOW=fallback ALIGN=16 ALIGN=64 ALIGN=4096 ALIGN=4K \
    MODULES=marked MODULES=main MODULES=all 'MODULES=+simple,-libc*' SCOPES=thread \
    SCOPES=process END=reset END=retain STACK=0 STACK=4K SCOPE_STRICT=1 DEBUG=poison DEBUG=verify,poison DEBUG=quarantine FOLLOW=0 FOLLOW=1 DISABLE=0; do
    accepted "ARENASHIM_$setting"
done
accepted ARENASHIM_CAPACITY=1M ARENASHIM_LIMIT=1M
under ARENASHIM_CAPACITY=100000 "$tmp/simple"
stat_is 'a capacity is rounded up to pages' .capacity_bytes 102400

under ARENASHIM_CAPACITY=8M ARENASHIM_LIMIT=4M "$tmp/simple"
is 'a limit below the capacity: status' "$status:$out" "$ran"
one_line 'a limit below the capacity: one line' \
    "ARENASHIM_LIMIT='4M' is less than the capacity and is ignored; it takes at least 8388608 bytes\$"
stat_is 'a limit below the capacity: the capacity stands' .capacity_bytes 8388608

# ---- names -------------------------------------------------------------------------------------

all_names='ARENASHIM_CAPACITY, ARENASHIM_LIMIT, ARENASHIM_OVERFLOW, ARENASHIM_ALIGN, '
all_names+='ARENASHIM_MODULES, ARENASHIM_SCOPES, ARENASHIM_SCOPE_FILE, ARENASHIM_SCOPE_STRICT, '
all_names+='ARENASHIM_SCOPE_LIST, ARENASHIM_END, ARENASHIM_STACK, '
all_names+='ARENASHIM_DEBUG, ARENASHIM_STATS, '
all_names+='ARENASHIM_STATS_FILE, ARENASHIM_RANK, ARENASHIM_RANKS, '
all_names+='ARENASHIM_FOLLOW, ARENASHIM_MEMCHECK, ARENASHIM_WATCH and '
all_names+='ARENASHIM_DISABLE$'
for name in ARENASHIM_CAPCITY ARENASHIM_ ARENASHIM_capacity ARENASHIM_STATS_FILES \
    ARENASHIM_CAPACITY_ ARENASHIM_STAT; do
    under "$name=1" "$tmp/simple"
    is "$name: the program's output and status are its own" "$status:$out" "$ran"
    one_line "$name: one line" "$name='1' is ignored: there is no such setting; there are $all_names"
    check "$name: routed" test "$(stat .routed_calls)" -gt 0
done
for name in ARENASHIM arenashim_capacity XARENASHIM_CAPACITY ARENASHI ARENASHIMX_A; do
    accepted "$name=1"
done

under ARENASHIM_CAPACITY=x ARENASHIM_ALIGN=x ARENASHIM_NEW=x "$tmp/simple"
is 'three mistakes are three lines' "$status:$out:$(wc -l <"$tmp/err")" "$ran:3"
is 'each line starts with the name of the shim' "$(grep -vc '^arenashim: ' "$tmp/err")" 0

# ---- off, and where nobody listens -------------------------------------------------------------

under ARENASHIM_DISABLE=1 "$tmp/simple"
is 'ARENASHIM_DISABLE=1: nothing is said' "$status:$out:$err" "$ran:"
stat_is 'ARENASHIM_DISABLE=1: nothing is routed, no scope is seen' '"\(.routed_calls) \(.scopes)"' \
    '0 0'
under ARENASHIM_MEMCHECK=1 ARENASHIM_ALIGN=x "$tmp/simple"
is 'ARENASHIM_MEMCHECK=1: without memcheck the shim is idle, and no setting is looked at' \
    "$status:$out:$err" "$ran:"
check 'ARENASHIM_MEMCHECK=1: there are no statistics' test ! -s "$tmp/stats"
under ARENASHIM_DISABLE=1 ARENA_SAY=1 "$tmp/simple"
is 'ARENASHIM_DISABLE=1: scopes are not active' "$err" 'active 0'

# Without stderr the messages are lost, and nothing else.
closed_stderr() {
    env LD_PRELOAD="$shim" ARENASHIM_CAPACITY=x ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/simple" 2>&-
}
rm -f "$tmp/stats"
capture closed_stderr
is 'a message to a closed stderr: the program runs' "$status:$out" "$ran"
check 'a message to a closed stderr: routed' test "$(stat .routed_calls)" -gt 0

# ---- set-user-ID -------------------------------------------------------------------------------

# The loader ignores a preload by path there, so the program is linked with the shim.
cp "$shim" "$tmp/libarenashim.so"
need secure simple.c -L"$tmp" -larenashim -Wl,-rpath,"$tmp"
secure_runs() {
    env ARENA_SAY=1 ARENASHIM_CAPACITY=x ARENASHIM_NEW=x ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/secure-stats" "$tmp/secure"
}
capture secure_runs
is 'linked with the shim: the environment is read' \
    "$status:$out:$(grep -c '^arenashim: ' "$tmp/err"):$(jq .capacity_bytes "$tmp/secure-stats")" \
    "$ran:2:1048576"
rm -f "$tmp/secure-stats"
if [ "$(id -u)" -ne 0 ]; then
    skip 'set-user-ID: the environment is ignored' 'only root can make such a program'
elif [ -n "${COVERAGE-}" ]; then
    skip 'set-user-ID: the environment is ignored' 'the counts of lines are not the other user'"'"'s to write'
elif [ -n "${EMULATED-}" ]; then
    skip 'set-user-ID: the environment is ignored' 'the emulator is not set-user-ID'
elif ! setpriv --reuid=65534 --clear-groups test -r "$shim"; then
    skip 'set-user-ID: the environment is ignored' 'the build is closed to other users'
elif ! chown nobody "$tmp/secure" || ! chmod 4755 "$tmp/secure" ||
    [[ $(findmnt -no OPTIONS -T "$tmp" 2>/dev/null) = *nosuid* ]]; then
    skip 'set-user-ID: the environment is ignored' 'no set-user-ID programs in this file system'
else
    capture secure_runs
    is 'set-user-ID: the environment is ignored, scopes are active' \
        "$status:$out:$err" "$ran:active 1"
    check 'set-user-ID: no statistics are written' test ! -e "$tmp/secure-stats"
fi
done_testing

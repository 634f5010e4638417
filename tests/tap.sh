# shellcheck shell=bash
# The Test Anything Protocol for shell tests; to be sourced. Every function numbers its own result.
#
#   ok DESCRIPTION, not_ok DESCRIPTION [DIAGNOSTIC]
#   check DESCRIPTION COMMAND...      ok when the command succeeds; its output is the diagnostic
#   is DESCRIPTION GOT WANTED         string equality
#   like DESCRIPTION TEXT ERE         some line of TEXT matches the extended regular expression
#   unlike DESCRIPTION TEXT ERE       no line does
#   skip DESCRIPTION REASON           one test that cannot run here
#   plan_skip REASON                  the whole script cannot run here; exits
#   done_testing                      prints the plan; exits 1 when a test failed

# What lies between two letters, and what programs say, is as in English.
export LC_ALL=C

# HOST_TOOLS is a folder of tools for the tests themselves, which are not emulated where all else is (root.sh).
# (bash would tell of a program that is killed in a function.)
for tap_tool in ${HOST_TOOLS:+"$HOST_TOOLS"/*}; do
    [ "${tap_tool##*/}" = timeout ] || eval "${tap_tool##*/}() { $tap_tool \"\$@\"; }"
done

tap_count=0
tap_failed=0

tap_comment() {
    [ -z "$1" ] || printf '%s\n' "$1" | sed 's/^/# /'
}

ok() {
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s\n' "$tap_count" "$1"
}

not_ok() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    printf 'not ok %d - %s\n' "$tap_count" "$1"
    tap_comment "${2-}"
}

check() {
    local description=$1 output
    shift
    if output=$("$@" 2>&1); then
        ok "$description"
    else
        not_ok "$description" "failed: $*
$output"
    fi
}

is() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "got:    $2
wanted: $3"
    fi
}

like() {
    if grep -Eq -e "$3" <<<"$2"; then
        ok "$1"
    else
        not_ok "$1" "no line matches: $3
$2"
    fi
}

unlike() {
    if grep -Eq -e "$3" <<<"$2"; then
        not_ok "$1" "a line matches: $3
$2"
    else
        ok "$1"
    fi
}

skip() {
    tap_count=$((tap_count + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

plan_skip() {
    printf '1..0 # SKIP %s\n' "$1"
    exit 0
}

done_testing() {
    printf '1..%d\n' "$tap_count"
    [ "$tap_failed" -eq 0 ]
    exit
}

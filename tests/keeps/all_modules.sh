#!/usr/bin/env bash
# The counter-proof of keeps.sh: with ARENASHIM_MODULES=all, which routes the libraries' own calls,
# most of its cases break. So it is the rule of the caller's module that protects them, and the
# cases notice when it does not.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/keeps/common.sh"

# Read by capture: some go round in circles.
# shellcheck disable=SC2034
limit=5
total=0
broken=0
survivors=
for program in "${programs[@]}"; do
    for name in $(cases "$program"); do
        plain "$tmp/$program" "$name"
        # The shell says which signal ended it.
        under ARENASHIM_MODULES=all "$tmp/$program" "$name" 2>/dev/null
        total=$((total + 1))
        if [ "$status:$err:$out" = "$wanted" ]; then
            survivors+=" $name"
        else
            broken=$((broken + 1))
        fi
    done
done
tap_comment "not broken:$survivors"
check "with all modules most cases break ($broken of $total)" \
    test $((broken * 10)) -ge $((total * 8))

# And the C library named alone breaks what is its own.
under ARENASHIM_MODULES=+libc.so.6 "$tmp/stdio" strdup
is 'with the C library named strdup breaks' "$status" 1
stat_is 'with the C library named its calls are routed' \
    '.sites[] | select(.label == "first") | .routed_calls' 6
done_testing

#!/usr/bin/env bash
# Operations of libc, the loader, the C++ and the OpenMP run-time libraries that are begun in a
# scope and used after it, when the arena has been overwritten: what they keep lies elsewhere. All
# run once more with the scope in a thread that has ended before the rest.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/keeps/common.sh"

total=0
drawn=0
for program in "${programs[@]}"; do
    for name in $(cases "$program"); do
        plain "$tmp/$program" "$name"
        is "$program, $name: works without the shim" "$status:$err" 0:
        under "$tmp/$program" "$name"
        routed "$program, $name: routed"
        same "$program, $name: the same output"
        # Two calls of the frame around the case, and what the case draws itself.
        read -r own others < <(stat '"\(.sites[] | select(.label == "first") |
            .routed_calls) \(.passed_in_scope.not_participating)"')
        check "$program, $name: the program's own calls" test "$own" -ge 2
        total=$((total + 1))
        [ "$others" -eq 0 ] || drawn=$((drawn + 1))
    done
    while read -ra group; do
        plain "$tmp/$program" "${group[@]}"
        under "$tmp/$program" -t "${group[@]}"
        routed "$program, first in another thread: routed"
        same "$program, first in another thread: the same output"
    done < <(groups "$program")
done

# A case in which no library draws anything in the scope shows nothing. Which these are depends on
# the libraries; with those of Debian 12 there are two.
check "libraries drew memory in nearly all cases ($drawn of $total)" \
    test $((drawn * 10)) -ge $((total * 9))
done_testing

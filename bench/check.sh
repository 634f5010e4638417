#!/usr/bin/env bash
# The gate: measures what bench/limits.json has limits for, in one run, and names each figure that is
# past its limit. Exit status 1 when there is one, when one could not be measured in full, all of its
# contenders and sizes, or when a measurement of the record failed.
#
# usage: bench/check.sh [--limits FILE] [--record FILE] BUILD-DIRECTORY
#
#   --limits FILE   other limits than bench/limits.json
#   --record FILE   judges this record and measures nothing
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)

usage() {
    sed -n '/^# usage/,/^set/{/^set/!s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

limits=$here/limits.json record='' build=''
while [ $# -gt 0 ]; do
    case $1 in
    --limits) limits=${2:?--limits needs a file} && shift ;;
    --record) record=${2:?--record needs a file} && shift ;;
    -*) usage ;;
    *) build=$1 ;;
    esac
    shift
done
[ -n "$record$build" ] || usage
jq empty "$limits" || {
    printf 'check.sh: %s holds no limits\n' "$limits" >&2
    exit 1
}

status=0
if [ -z "$record" ]; then
    record=$build/bench/results/check.json
    groups=()
    for group in $(jq -r 'map(.over.group) | unique[]' "$limits"); do
        groups+=(--only "$group")
    done
    rm -f "$record"
    "$here/run.sh" --quick "${groups[@]}" --output "$record" "$build" || status=1
    [ -f "$record" ] || exit 1
fi

verdict=$(jq -r -L "$here" --slurpfile limits "$limits" 'include "statistics"; include "rows";
    rows($limits[0])
    | map(if .meets_limit == null then {kind: "not measured", text: .name}
        elif .lacking != [] then
          {kind: "not measured", text: "\(.name): without \(.lacking | join(", "))"}
        else {kind: (if .meets_limit then "holds" else "FAILS" end),
          text: "\(.name): \(.value | digits), limit \(.sense) \(.limit)\(.worst | where
            | if . == "" then "" else " (" + . + ")" end)"} end)
    | (.[] | "\(.kind): \(.text)"),
      ($record[0].failures[] | "FAILED: \(.what): \(.reason)"),
      ([.[].kind] | "\(map(select(. == "holds")) | length) hold, \(map(select(. == "FAILS")) | length
        ) fail, \(map(select(. == "not measured")) | length) not measured")' \
    --slurpfile record "$record" "$record")
printf '%s\n' "$verdict"
grep -q '^[1-9][0-9]* hold, 0 fail, 0 not measured$' <<<"$verdict" || status=1
! grep -q '^FAILED: ' <<<"$verdict" || status=1
exit "$status"

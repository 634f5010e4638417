#!/usr/bin/env bash
# Asks `arenashim advise` about each program of the group "programs", peers beside it, and prints a
# table: what it recommends, what that was expected to save and did, what the best peer saves, all of
# plain's CPU time, and how much longer than plain the sampled and the proving run took.
#
# usage: bench/advise.sh [--quick] BUILD-DIRECTORY [NAME...]
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
quick=''
[ "${1-}" != --quick ] || { quick=--quick && shift; }
if [ $# -lt 1 ] || ! [ -x "$1/arenashim" ]; then
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
fi
build=$(cd "$1" && pwd)
shift
names=" $* "
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$here/programs/inputs.sh" "$build/bench/inputs" >/dev/null
echo '| program | verdict | plan | expected | measured | best peer | sampled | proven |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
while IFS=$'\t' read -r _ contender _ command; do
    [ "$contender" = advised ] || continue
    name=$(sed 's/.*--name \([^ ]*\) --size \([^ ]*\) .*/\1 \2/; s/ -$//' <<<"$command")
    [[ $names = '  ' || $names = *" ${name%% *} "* ]] || continue
    # The words of a command are the plan's own, with globs and quotes.
    if ! bash -c "exec $(printf '%q' "$build/arenashim") advise --peers --quiet \
        --json $(printf '%q' "$work/json") -- ${command#* -- }" >"$work/text" </dev/null; then
        printf '| %s | failed |\n' "$name"
        continue
    fi
    jq -r --arg name "$name" '
        def percent: if . == null then "" else "\((1 - .) * 1000 | round / 10)%" end;
        .plain.cpu_seconds as $cpu
        | ([.contenders[] | select(.kind == "peer")] | min_by(.measured_ratio)) as $peer
        | [$name, .verdict, .recommended.name // .reason // "",
            (.recommended.expected_ratio | percent), (.recommended.measured_ratio | percent),
            (if $peer then "\($peer.name) \($peer.measured_ratio | percent)" else "" end),
            (.sampled, .proven | .cpu_seconds | if . then . / $cpu * 100 | round / 100 else "" end)]
        | "| " + join(" | ") + " |"' "$work/json"
done < <("$here/plan.sh" ${quick:+"$quick"} "$build" 2>/dev/null)

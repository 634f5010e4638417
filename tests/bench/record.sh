#!/usr/bin/env bash
# The record of a run holds all samples; what fails is named; limits fail when they are passed; a
# record can be drawn.

# shellcheck source=tests/preload/common.sh
. "${srcdir:-.}/tests/preload/common.sh"
[ -z "${EMULATED-}" ] || plan_skip 'an emulator takes long, and its times say nothing'
limit=60
bench=$source_dir/bench
builddir=$(realpath "${BUILDDIR:-.}")

# A measured program: prints the number of its run, each name for itself, and logs who ran. "bad"
# things it does in the given run.
cat >"$tmp/fake" <<'END'
#!/usr/bin/env bash
# fake NAME FACTOR [BAD RUN] [--verify]
cd "$(dirname "$0")" || exit 1
if [[ " $* " = *' --verify '* ]]; then
    [ "${3-}" != unverified ] || { echo 'blocks overlap' >&2; exit 1; }
    exit 0
fi
run=$(($(cat "$1.runs" 2>/dev/null || echo 0) + 1))
echo "$run" >"$1.runs"
echo "$1" >>order
if [ "$run" = "${4-}" ]; then
    case $3 in
    exit) echo 'no memory' >&2; exit 3 ;;
    silent) exit 0 ;;
    words) printf 'work\t8\t1\tns\tfast\n'; exit 0 ;;
    twice) printf 'work\t8\t1\tns\t1\nwork\t8\t1\tns\t2\n'; exit 0 ;;
    esac
fi
printf 'scope_8\t8\t1\tns\t%d\nscope_100\t100\t1\tns\t%d.5\n' $((run * $2)) $((run * $2))
END
chmod +x "$tmp/fake"

# plan_line GROUP CONTENDER COMMAND
plan_line() {
    printf '%s\t%s\tclean\t%s\n' "$@" >>"$tmp/plan"
}

# record [OPTION...]: runs the plan
record() {
    rm -f "$tmp"/*.runs "$tmp/order" "$tmp/record.json"
    capture "$bench/run.sh" --plan "$tmp/plan" --output "$tmp/record.json" "$@" "$builddir"
}

field() {
    jq -c "$1" "$tmp/record.json" 2>&1
}

field_is() {
    is "$1" "$(field "$2")" "$3"
}

# until_there FILE: waits until it has something in it
until_there() {
    local i
    for ((i = 0; i < 300; i++)); do
        [ ! -s "$1" ] || return 0
        sleep 0.1
    done
}

# ---- samples ----------------------------------------------------------------------------------

plan_line scope glibc "$tmp/fake glibc 4"
plan_line scope peer "$tmp/fake peer 2"
record --repetitions 3
is 'a good plan runs' "$status $err" '0 '
is 'contenders take turns' "$(paste -sd' ' "$tmp/order")" 'glibc peer glibc peer glibc peer'
field_is 'all samples are kept, in order' '[.results[] | .samples]' \
    '[[4.5,8.5,12.5],[4,8,12],[2.5,4.5,6.5],[2,4,6]]'
field_is 'with what they come to' \
    '.results[] | select(.contender == "peer" and .size == "8") | [.n, .median, .min, .max, .iqr, .to_glibc]' \
    '[3,4,2,6,2,0.5]'
field_is 'the plan is in the record' '[.plan[].contender]' '["glibc","peer"]'
field_is 'and the machine' \
    '[.machine.cores > 0, .machine.memory_kb > 0, (.versions | has("kernel", "compiler")), (.command | test("--repetitions 3"))] | unique' \
    '[true]'
like 'the table shows medians and ratios' "$(<"$tmp/record.md")" \
    '^\| scope_8 \| 8 \| 1 \| clean \| 8 \| 4 \(0\.5\) \|$'

record --quick
field_is 'a quick run makes 3 repetitions' '[.results[].n] | unique' '[3]'
record --only hot
is 'a group that the plan lacks is an error' "$status" 1

# ---- the plan ---------------------------------------------------------------------------------

# planned [OPTION]: group, contender and heap of each measurement
planned() {
    "$bench/plan.sh" "$@" "$builddir" 2>"$tmp/skipped" | cut -f1-3 | sort -u
}
# Each comparison of times is made again on a littered heap, but for that of whole programs.
for contender in glibc shim; do
    is "$contender has figures in each group, on either heap" \
        "$(planned | awk -v name="$contender" '$2 == name { print $1, $3 }' | paste -sd,)" \
        'hot clean,hot littered,kernels clean,kernels littered,memory clean,memory littered,programs clean,scope clean,scope littered,threads clean,threads littered'
done
is 'a quick plan leaves out littered heaps of threads, kernels and memory, and programs with nothing routed' \
    "$(comm -23 <(planned) <(planned --quick) | awk '$3 != "littered" || $1 !~ /^(threads|kernels|memory)$/ { print $1, $3 }' | sort -u | paste -sd,)" \
    'programs clean,threads clean'
# shellcheck disable=SC2016
check 'each program has the same contenders' awk -F'\t' '
    $1 == "programs" && match($4, /--name [^ ]+ --size [^ ]+/) && $2 != "named" {
        cases[substr($4, RSTART, RLENGTH)]++; contenders[$2] }
    END { for (name in contenders) wanted++
        for (name in cases) if (cases[name] != wanted) { print name; exit 1 }
        exit wanted < 3 }' <("$bench/plan.sh" "$builddir" 2>/dev/null)

# ---- what fails is named and left out ---------------------------------------------------------

plan_line scope leaves "$tmp/fake leaves 1 exit 2"
plan_line scope silent "$tmp/fake silent 1 silent 1"
plan_line scope words "$tmp/fake words 1 words 2"
plan_line scope twice "$tmp/fake twice 1 twice 2"
plan_line scope unverified "$tmp/fake unverified 1 unverified 0"
plan_line scope shim "$tmp/fake shim 1"
record --repetitions 2
is 'a failure makes status 1' "$status" 1
for what in 'leaves clean, repetition 2: status 3: no memory' \
    'silent clean, repetition 1: status 1: no sample' \
    'words clean, repetition 2: status 1: not a sample: work' \
    'twice clean, repetition 2: status 1: twice: work' \
    'unverified clean, verification: status 1: blocks overlap' \
    'shim clean, verification: status 1: not one call was routed'; do
    like "${what%%,*}: named" "$out" "^FAILED: scope $what"
done
field_is 'all failures are in the record' '.failures | length' 6
field_is 'a sample that is missing is null' \
    '[.results[] | select(.size == "8" and (.contender | IN("glibc", "leaves", "silent"))).samples]' \
    '[[4,8],[1,null],[null,2]]'
field_is 'what does not verify is not recorded' \
    '[.results[] | select(.contender | IN("shim", "unverified"))]' '[]'

: >"$tmp/plan"
plan_line programs shim "$tmp/fake shim 1"
plan_line programs process "$tmp/fake process 1"
record --repetitions 1
like 'a program in a scope must have had routed calls' "$out" \
    '^FAILED: programs process clean, verification: status 1: not one call was routed$'
field_is 'and only with the shim around it need not' '[.results[].contender] | unique' '["shim"]'

# ---- interrupted -------------------------------------------------------------------------------

: >"$tmp/plan"
plan_line scope glibc "echo \$\$ >$tmp/pid; sleep 1000; true"
mkdir "$tmp/temporary"
rm -f "$tmp/record.json"
TMPDIR=$tmp/temporary "$bench/run.sh" --plan "$tmp/plan" --output "$tmp/record.json" "$builddir" \
    >"$tmp/out" 2>"$tmp/err" &
run=$!
until_there "$tmp/pid"
kill "$run"
status=0
wait "$run" || status=$?
is 'a run that is interrupted ends' "$status" 143
is 'and its command with it' "$(kill -0 "$(<"$tmp/pid")" 2>&1 | grep -o 'No such process')" \
    'No such process'
is 'and leaves nothing behind' "$(ls "$tmp/temporary"; compgen -G "$tmp/record.json*")" ''

# ---- whole programs ---------------------------------------------------------------------------

capture "$bench/programs/inputs.sh" "$tmp/inputs"
is 'inputs are made' "$status $err" '0 '
is 'all of them' "$(find "$tmp/inputs" -type f -size +0 | sed 's/[0-9]*\.xml/N.xml/' | sort |
    uniq -c | awk '{ print $2, $1 }' | sed "s,$tmp/inputs/,," | paste -sd,)" \
    'interface.proto 1,kernels.i 1,made 1,pages.md 1,records.json 1,style.scss 1,tables.html 1,words 1,xml/N.xml 6000'
check 'records are JSON' jq -es 'length == 200000' "$tmp/inputs/records.json"
: >"$tmp/inputs/pages.md"
capture "$bench/programs/inputs.sh" "$tmp/inputs"
is 'and stay' "$(wc -c <"$tmp/inputs/pages.md")" 0
echo other >"$tmp/inputs/made"
capture "$bench/programs/inputs.sh" "$tmp/inputs"
check 'until what they are made of changes' test -s "$tmp/inputs/pages.md"
mkdir "$tmp/mine"
capture "$bench/programs/inputs.sh" "$tmp/mine"
is 'a directory of something else stays' "$status $(ls -d "$tmp/mine")" "1 $tmp/mine"
if have xmllint && have readelf && wraps && ! counts_lines; then
    capture "$bench/programs/named.sh" "$builddir"
    like 'the function of xmllint that handles a file is found' "$out" '^(xmllint|main)!\+0x[0-9a-f]+$'
    check 'and gives the same results as a scope' env ARENASHIM_SCOPES="retain:$out" \
        ARENASHIM_MODULES='+libxml2*' "$builddir/bench/process" --preload "$shim" -- \
        "$(command -v xmllint)" "$tmp/inputs/xml/0001.xml" --verify
else
    skip 'the function of xmllint that handles a file is found' \
        'xmllint or readelf is missing, built without functions by name, or lines are counted'
fi

# ---- the real thing ---------------------------------------------------------------------------

need overlap.so -shared -fPIC -fno-builtin overlap.c
for program in work growth; do
    capture env LD_PRELOAD="$tmp/overlap.so" "$builddir/bench/$program-malloc" --verify
    is "$program finds blocks that overlap" "$status $err" "1 $program-malloc: two blocks overlap"
done
capture env LD_PRELOAD="$tmp/overlap.so" "$builddir/bench/server" 1 100 100 2
is 'the server finds blocks that overlap' "$status" 1
like 'and says so' "$err" '^server: a block of [0-9]+ bytes has changed$'

hot=$builddir/bench/hot_paths
: >"$tmp/plan"
plan_line hot glibc "$hot --quick"
plan_line hot shim "LD_PRELOAD=$shim $hot --quick"
record --repetitions 1
is 'hot paths are recorded' "$status $err" '0 '
field_is 'all samples are there' \
    '[.results[] | select(.contender == "shim" and .n == 3).samples[0] | numbers] | length' \
    "$(LD_PRELOAD=$shim "$hot" --quick | wc -l)"
field_is 'times have a ratio to the floor' \
    '[.results[] | select(.case == "routed_pair" and .size == "48").to_floor > 0] | unique' '[true]'

under "$hot" --verify
routed 'blocks of hot paths are good, and a queue of them lies in the same memory again and again'
if wraps; then
    under ARENASHIM_SCOPES='retain:libempty.so!bench_empty_retain;retain:main!retain_pair' \
        "$builddir/bench/wrapped"
    routed 'calls that are scopes are measured'
    is 'beside plain ones' "$(awk -F'\t' '$1 ~ /_call/ { print $1, $4 }' <<<"$out" | paste -sd,)" \
        'plain_call ns,plain_call more_ns,retain_call ns,retain_call more_ns,reset_call ns,reset_call more_ns'
else
    skip 'calls that are scopes are measured' 'built without functions by name'
fi

if valgrind_runs && ! counts_lines; then
    capture "$bench/counts.sh" "$builddir" retained
    like 'instructions are counted where marks retain' "$out" '^routed_pair	48	1	instructions	[1-9][0-9.]*$'
    capture "$bench/counts.sh" "$builddir" shim+stats
    like 'instructions are counted' "$out" '^routed_malloc	48	1	instructions	[1-9][0-9.]*$'
else
    skip 'instructions are counted' 'valgrind is missing, or lines are counted'
fi

# ---- limits -----------------------------------------------------------------------------------

: >"$tmp/plan"
plan_line scope glibc "$tmp/fake glibc 4"
plan_line scope peer "$tmp/fake peer 2"
plan_line scope other "$tmp/fake other 3"
record --repetitions 1

# judge LIMIT GROUP [PEER]: checks a record by two rows, the second of which has the limit
judge() {
    jq -n --argjson limit "$1" --arg group "$2" --arg peer "${3-peer}" '[
        {name: "first row", sense: "at most", limit: 4,
          over: {group: $group, contender: "glibc", size: "8"}},
        {name: "second row", sense: "at least", target: 2, limit: $limit,
          over: {group: "scope", contender: "glibc", size: "8"},
          under: {contender: ["other", $peer]}}]' >"$tmp/limits.json"
    capture "$bench/check.sh" --limits "$tmp/limits.json" --record "$tmp/record.json"
}

judge 2 scope
is 'limits that hold pass' "$status" 0
like 'with the figure and the limit' "$out" '^holds: second row: 2, limit at least 2 \(scope_8, 8, peer\)$'
judge 2.01 scope
is 'a limit that is past fails' "$status" 1
like 'by name, figure and limit' "$out" '^FAILS: second row: 2, limit at least 2\.01 \(scope_8, 8, peer\)$'
like 'and the others are judged' "$out" '^1 hold, 1 fail, 0 not measured$'
judge 2 nothing
is 'a figure that is not there fails' "$status" 1
like 'and is named' "$out" '^not measured: first row$'
judge 1 scope nobody
is 'a best of fewer contenders than are named fails' "$status" 1
like 'and who is missing is named' "$out" '^not measured: second row: without nobody$'

jq -n '[{name: "mean", sense: "at least", target: 2, limit: 1.89, mean: "geometric",
    over: {group: "scope", contender: "glibc"}, under: {contender: "peer"}}]' >"$tmp/limits.json"
capture "$bench/check.sh" --limits "$tmp/limits.json" --record "$tmp/record.json"
is 'a geometric mean is judged as one figure' "$out" \
    'holds: mean: 1.897, limit at least 1.89 (2 figures)
1 hold, 0 fail, 0 not measured'

# tampered FILTER: judges a record that a jq filter has changed
tampered() {
    jq "$1" "$tmp/record.json" >"$tmp/tampered.json"
    capture "$bench/check.sh" --limits "$tmp/limits.json" --record "$tmp/tampered.json"
}
judge 2 scope
tampered '(.results[] | select(.contender == "other").median) = 0'
is 'no time at all is no figure' "$status" 1
like 'and nobody is the best by it' "$out" '^not measured: second row: without other$'
tampered '.failures = [{what: "scope peer clean, repetition 1", reason: "status 139"}]'
is 'a failure in the record fails' "$status" 1
like 'and is named, too' "$out" '^FAILED: scope peer clean, repetition 1: status 139$'
capture "$bench/check.sh" --limits "$tmp/nobody.json" "$builddir"
is 'limits that are not there are an error, before anything is measured' "$status $out" '1 '
like 'and named' "$err" '^check\.sh: .*/nobody\.json holds no limits$'
check 'the limits are well formed' jq -e '(map(.name) | unique | length) == length
    and all(.[]; (.sense | IN("at most", "at least")) and (.limit | type == "number") and (.mean | IN(null, "geometric"))
        and (.over | has("group", "contender")))' "$bench/limits.json"

# Peers may be missing here.
# shellcheck disable=SC2016
check 'the plan has what they are of' jq -en --rawfile plan <("$bench/plan.sh" --quick "$builddir" 2>/dev/null) '
    [$plan | split("\n")[] | split("\t") | .[:2] | join(" ")] as $planned
    | [input[] | .over.group as $group | .over, .under // empty
        | .contender // empty | if type == "array" then .[] else . end | "\($group) \(.)"]
    | unique - $planned | map(select(test("^(counts|share) |jemalloc|mimalloc|tcmalloc| named$") | not)) == []' \
    "$bench/limits.json"

# ---- pictures ---------------------------------------------------------------------------------

if have gnuplot; then
    capture "$bench/plot" "$tmp/record.json" "$tmp/pictures"
    is 'a record can be drawn' "$status $err" '0 '
    is 'as SVG and PNG' "$(cd "$tmp/pictures" && file -b --mime-type scope.svg scope.png | paste -sd' ')" \
        'image/svg+xml image/png'
    like 'what has no figures is named' "$out" '^left out: threads '
else
    skip 'a record can be drawn' 'gnuplot is missing'
fi

done_testing

#!/usr/bin/env bash
# --report-format of arenashim check and run: each leak, invalid access, scope left open and broken budget
# is one item with file and line, in each of the formats, as other readers of them see it: SARIF by its
# schema, JUnit's XML by junitparser, TAP by prove, GitHub's commands by a reader of their escapes, which
# compares them with SARIF's. Suppressions.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tells_valgrind || plan_skip 'valgrind does not run here, or this is built without it'
for name in leak stale children; do
    need $name -g -O1 "$source_dir/tests/valgrind/$name.c"
done
need budget -g "$here/budget.c"
mkdir "$tmp/a,b" && cp "$here/budget.c" "$tmp/a,b/50%.c" && need percent -g "$tmp/a,b/50%.c"
cd "$tmp" || exit 99
mkdir scratch
export TMPDIR=$tmp/scratch

valgrind=$source_dir/tests/valgrind
leak=$valgrind/leak.c:$(grep -n 'malloc(123)' "$valgrind/leak.c" | cut -d: -f1)
stale=$valgrind/stale.c:$(grep -n 'sum = \*escaped' "$valgrind/stale.c" | cut -d: -f1)
open=$here/budget.c:$(grep -n '{"open"' "$here/budget.c" | cut -d: -f1)
query=$here/budget.c:$(grep -n 'ARENA_SCOPE("query")' "$here/budget.c" | cut -d: -f1)
echo '{"format": 1, "sites": [{"label": "query", "scopes": 1}]}' >tight.json

# check_as, run_as FORMAT NAME OPTION... -- PROGRAM...: the report is NAME
check_as() {
    capture "$arenashim" check --report-format="$1" --report-file="$2" "${@:3}"
}
run_as() {
    capture "$arenashim" run --report-format="$1" --report-file="$2" "${@:3}"
}

# The same four runs in every format.
for format in sarif junit tap github; do
    check_as $format leak.$format -- ./leak
    is "$format: a leak: status" "$status:$err" "99:arenashim: what is wrong (1) is in 'leak.$format'"
    check_as $format stale.$format -- ./stale
    is "$format: an invalid access: status" "$status" 99
    run_as $format open.$format --budget=tight.json -- ./budget 2 left_open
    is "$format: an open scope and a broken budget: status" "$status" 99
    run_as $format failed.$format --budget=tight.json -- ./budget 2 status 3
    is "$format: a program that fails: status" "$status" 3
    run_as $format clean.$format --budget=tight.json -- ./budget 1
    is "$format: nothing is wrong: status" "$status:$err" 0:
done

# items_FORMAT FILE: "RULE FILE:LINE" of each item of the runs, by the reader of the format
check_items() {
    is "$1: the leak" "$("items_$1" "leak.$1")" "Leak_DefinitelyLost $leak"
    is "$1: the invalid access" "$("items_$1" "stale.$1")" "InvalidRead $stale"
    is "$1: the open scope and the broken budget" "$("items_$1" "open.$1")" "ScopeLeftOpen $open
BudgetBroken $query"
    is "$1: the broken budget and the failure" "$("items_$1" "failed.$1")" "BudgetBroken $query
ProgramFailed -"
    is "$1: nothing" "$("items_$1" "clean.$1")" ''
}

# ---- SARIF -------------------------------------------------------------------------------------

items_sarif() {
    jq -r '.runs[0].results[] | "\(.ruleId) \(.locations[0].physicalLocation |
        if . then "\(.artifactLocation.uri | ltrimstr("file://")):\(.region.startLine)" else "-" end)"' "$1"
}
check_items sarif
is 'sarif: all rules are named' "$(jq -c '[.runs[0].tool.driver.rules[].id]' open.sarif)" \
    '["ScopeLeftOpen","BudgetBroken"]'
like 'sarif: the stack is in the text' "$(jq -r '.runs[0].results[0].message.text' stale.sarif)" \
    "^ Block was alloc'd at$"
run_as sarif percent.sarif --budget=tight.json -- ./percent 2
is 'sarif: an address is percent-encoded, and relative to the folder' \
    "$(jq -r '.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri' percent.sarif)" 'a%2Cb/50%25.c'
packages='@microsoft/jest-sarif@1.0.0-beta.0 ajv@6' # as in scripts/test.sh
cat >validate.js <<'J'
const fs = require('fs'), Ajv = require('ajv');
const schema = require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json');
const ajv = new Ajv({schemaId: 'auto', meta: false, unknownFormats: 'ignore'});
ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
const validate = ajv.compile(schema);
for (const file of process.argv.slice(2))
    if (!validate(JSON.parse(fs.readFileSync(file))))
        console.log(file, JSON.stringify(validate.errors));
J
if ! have node || [ ! -d "$BUILDDIR/sarif/node_modules" ]; then
    skip 'sarif: the schema' "it is not there: npm install --prefix sarif $packages, in the build directory"
else
    export NODE_PATH=$BUILDDIR/sarif/node_modules
    is 'sarif: the schema' "$(node validate.js ./*.sarif 2>&1)" ''
    jq '.runs[0].results[0].level = "bad"' leak.sarif >bad.json
    like 'sarif: the schema refuses another level' "$(node validate.js bad.json)" '^bad.json .*level'
fi

# ---- JUnit -------------------------------------------------------------------------------------

python=$(for python in python3 /usr/bin/python3; do
    "$python" -c 'import junitparser' 2>/dev/null && echo "$python" && break
done)
items_junit() {
    "$python" - "$1" <<'P'
import sys, junitparser
xml = junitparser.JUnitXml.fromfile(sys.argv[1])
for suite in xml:
    assert suite.tests == max(1, suite.failures), (suite.tests, suite.failures)
    for case in suite:
        place = case._elem.get("file")
        for failure in case.result:
            assert isinstance(failure, junitparser.Failure) and failure.message == case.name
            print(failure.type, f'{place}:{case._elem.get("line")}' if place else "-")
P
}
if [ -n "$python" ]; then
    check_items junit
    like 'junit: nothing wrong is a test that passes' "$(<clean.junit)" \
        '^ +<testcase classname="arenashim run" name="./budget"/>$'
else
    skip 'junit' 'junitparser is not installed (Debian: python3-junitparser)'
fi

# ---- TAP ---------------------------------------------------------------------------------------

items_tap() {
    sed -n 's/^not ok [0-9]* - \([A-Za-z_]*\): .*/\1/p; s/^# \(\/.*:[0-9]*\)$/\1/p' "$1" |
        sed '/^\//!{/ProgramFailed/s/$/\n-/}' | paste -d ' ' - -
}
check_items tap
if have prove; then
    is 'tap: prove sees the failures' \
        "$(prove -e cat open.tap clean.tap 2>&1 | grep -cE 'Failed 2/2 subtests|clean.tap .* ok$')" 2
else
    skip 'tap: prove' 'prove is not installed (Debian: perl)'
fi

# ---- GitHub ------------------------------------------------------------------------------------

# As the runner of GitHub reads them.
cat >github.py <<'P'
import json, re, sys, urllib.parse

def decoded(text, codes):
    return re.sub("%(" + codes + ")", lambda code: chr(int(code[1], 16)), text)

def of_github(name):
    for line in open(name, newline="\n"):
        assert line.startswith("::error "), line
        properties, data = line[len("::error "):-1].split("::", 1)
        properties = dict(property.split("=", 1) for property in properties.split(","))
        properties = {key: decoded(value, "25|0A|0D|3A|2C") for key, value in properties.items()}
        assert set(properties) <= {"file", "line", "title"}, properties
        yield (properties["title"], properties.get("file"), properties.get("line"), decoded(data, "25|0A|0D"))

def of_sarif(name):
    for result in json.load(open(name))["runs"][0]["results"]:
        place = (result["locations"] or [{}])[0].get("physicalLocation")
        file = place and urllib.parse.unquote(place["artifactLocation"]["uri"].removeprefix("file://"))
        yield (result["ruleId"], file, place and str(place["region"]["startLine"]), result["message"]["text"])

items = list(of_github(sys.argv[1]))
if len(sys.argv) > 2: # addresses change from run to run
    same = [[re.sub("0x[0-9A-Fa-f]+", "0x", str(item)) for item in some] for some in (items, of_sarif(sys.argv[2]))]
    assert same[0] == same[1], same
for rule, file, line, text in items:
    print(rule, f"{file}:{line}" if file else "-")
P
items_github() {
    python3 github.py "$1"
}
if have python3; then
    check_items github
    run_as github percent.github --budget=tight.json -- ./percent 2
    for run in leak stale open failed percent; do
        check "github: $run says what SARIF says" python3 github.py $run.github $run.sarif
    done
else
    skip 'github' 'python3 is not installed'
fi
is 'github: one line for each' "$(wc -l <stale.github) $(grep -c "%0A Block was alloc'd at%0A" stale.github)" '1 1'
like 'github: names are escaped' "$(<percent.github)" '^::error file=a%2Cb/50%25.c,line=[0-9]*,title=BudgetBroken::query \(.*a,b/50%25.c:'

# ---- what no format holds ----------------------------------------------------------------------

odd=$'./b\x01\xff\xf9\x80\x80\x80\xef\xbf\xbf\xc2\x9b\xe2\x80\xae\nnot ok 2 - x'
cp budget "$odd"
for case in passed=0 failed=3; do
    for format in junit tap github text; do
        capture "$arenashim" run --report-format=$format --report-file="odd.$format" -- "$odd" 1 status "${case#*=}"
    done
    check "a program of odd name, ${case%=*}: JUnit is XML" \
        "${python:-python3}" -c 'import xml.dom.minidom; xml.dom.minidom.parse("odd.junit")'
    is "a program of odd name, ${case%=*}: no line more" \
        "$(wc -l <odd.tap) $(cat odd.* | LC_ALL=C grep -c $'[\x01-\x09\x0b-\x1f\x7f-\xff]')" '2 0'
done

# ---- text, children, suppressions --------------------------------------------------------------

capture "$arenashim" check --budget=tight.json -- ./leak
like 'text: on standard error, as memcheck has it' "$err" "^arenashim: $leak: 123 bytes in 1 blocks are definitely lost$"
check_as tap retained.tap --scope=process -- ./leak
is 'the place is behind the frames of the shim' "$status:$(items_tap retained.tap | head -n 1)" \
    "99:Leak_DefinitelyLost $leak"
cp leak $'caf\xe9'
check_as tap named.tap -- $'./caf\xe9' $'\x01\xff'
is 'words that are no text' "$status:$(items_tap named.tap)" "99:Leak_DefinitelyLost $leak"
capture "$arenashim" check --budget=tight.json -- ./budget 2
is 'check: a broken budget alone' "$status:$out:$err" \
    "98:done:arenashim: query ($query): scopes is 2, the budget allows at most 1"
capture "$arenashim" check --budget=tight.json -- ./budget 1 fork system_call
is 'check: statistics of a child alone' "$status:$(grep -c "no statistics of './budget' itself" <<<"$err")" 99:1
capture "$arenashim" check --budget=tight.json -- ./budget 1 kill
is 'check: a program that a signal ends: nothing of the script' "$status:$(grep -c 'line [0-9]*:' <<<"$err")" 137:0
cat >signalled.c <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void leave(int number)
{
    (void)number;
    _exit(3);
}
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "abort") == 0)
        abort();
    signal(SIGTERM, leave);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
C
need signalled -g ./signalled.c
signalled() {
    "$arenashim" check "$@" -- ./signalled >ready &
    local command=$!
    until [ -s ready ]; do sleep 0.1; done
    kill "$command"
    rm ready
    wait "$command"
}
# Alone and judged, a check has the same signals and statuses.
for option in '' --report-format=tap; do
    capture signalled $option
    is "check $option: a signal comes to the program" "$status" 3
    capture "$arenashim" check $option -- ./signalled abort
    is "check $option: a program that aborts keeps its status" "$status" 134
done
capture env --ignore-signal=CHLD "$arenashim" check --budget=tight.json -- ./budget 1 status 3
is 'check: a program that fails where SIGCHLD is ignored' "$status" 3
for case in killed=InvalidRead left_open=ScopeLeftOpen misuse=Misuse; do
    check_as tap child.tap -- ./children "${case%=*}"
    is "a forked child: ${case%=*}" "$status:$(grep -c "^not ok 1 - ${case#*=}: " child.tap)" 99:1
done
check_as tap child.tap -- ./children
is 'a forked child that does nothing wrong' "$status" 0

capture "$arenashim" check --gen-suppressions -- ./leak
is '--gen-suppressions: status' "$status" 99
sed -n '/^{/,/^}/p' "$tmp/err" >leak.supp
capture "$arenashim" check --suppressions=leak.supp -- ./leak
is '--suppressions: what was printed silences it' "$status:$(wc -l <leak.supp)" 0:7
echo '{
   other
   Memcheck:Cond
   fun:none
}' >other.supp
capture "$arenashim" check --suppressions=leak.supp --suppressions=other.supp -- ./leak
is '... among others' "$status" 0
check_as tap gen.tap --gen-suppressions -- ./leak
sed -n 's/^# \([ {}].*\)/\1/p' gen.tap | sed -n '/^{/,/^}/p' >gen.supp
check 'with a format, too' cmp leak.supp gen.supp
check_as tap suppressed.tap --suppressions=gen.supp -- ./leak
is '... and silences it there' "$status" 0
capture "$arenashim" check --suppressions=none.supp -- ./leak
is 'a file that is not there' "$status:$err" \
    "125:arenashim: --suppressions='none.supp' is not accepted; it takes a readable file"
echo nonsense >bad.supp
check_as tap bad.tap --suppressions=bad.supp -- ./leak
is 'a file that memcheck does not take' "$status:$(grep -c 'valgrind did not finish' <<<"$err")" 125:1
is 'nothing is left in the folder for scratch' "$(ls -A scratch)" ''
done_testing

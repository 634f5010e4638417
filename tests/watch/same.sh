#!/usr/bin/env bash
# Programs that know nothing of the watching print and return under it exactly what they do without:
# counted, sampled, and with functions of theirs proven.
#
# shellcheck disable=SC2154 # common.sh sets them
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tool=$(realpath "${BUILDDIR:-.}/tests/watch/record")
work=$tmp/work
mkdir "$work"
cd "$work" || exit 99
awk 'BEGIN { for (i = 0; i < 3000; i++) print i, (i * 7919) % 10007, "word" i % 97 }' >data

outcome() {
    printf '%s' "$status:$(md5sum <"$tmp/out"):$err"
}

run_watched() {
    capture env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" ${specs:+ARENASHIM_SCOPES="$specs"} "$@"
}

# was_watched PATTERN: the record has a line that matches, of awk
was_watched() {
    "$tool" print "$tmp/record" | awk "$1 { found = 1 } END { exit !found }"
}

# watched NAME MODE PATTERN: the outcome is $plain, and the record has the pattern
watched() {
    is "$1, $2: the same status, output and messages" "$(outcome)" "$plain"
    check "$1, $2: it was watched" was_watched "$3"
}

# Text in single quotes is for awk, and below for the programs.
# shellcheck disable=SC2016
#
# same TOOL PROGRAM MODULE FUNCTIONS COMMAND...: PROGRAM is the executable to be watched, MODULE that
# or a library of its, which has the functions
same() {
    local name=$1 program=$2 module=$3 function address plain specs='' places=()
    local called='$1 == "function" && $3 == "calls" && $4 > 0'
    if ! have "$name" || ! have "$program"; then
        skip "$name" "$name is not installed"
        return
    fi
    program=$(realpath "$(type -P "$program")")
    if [ "$module" = program ]; then
        module=$program
    else
        module=$(ldd "$program" | awk -v name="$module" '$1 == name { print $3 }')
    fi
    capture "${@:5}"
    plain=$(outcome)
    "$tool" make "$tmp/record" count 1 "${program##*/}"
    run_watched "${@:5}"
    watched "$name" count '$1 == "calls" && $2 > 100'
    "$tool" make "$tmp/record" sample 5 "${program##*/}"
    run_watched "${@:5}"
    watched "$name" sample '$1 == "life"'
    for function in $4; do
        address=$(nm -D "$module" 2>/dev/null | awk -v name="$function" '$3 == name { print $1 }')
        [ -n "$address" ] || continue
        places+=("$module" "0x$address")
        specs+="${specs:+;}${module##*/}!$function"
    done
    if ! wraps || [ -z "$specs" ]; then
        skip "$name, prove" 'built without functions by name, or these are not exported'
        return
    fi
    # All that a branch reaches beside a program may be an emulator's own; the next time it lies elsewhere.
    for _ in ${EMULATED:+1 2 3 4} 5; do
        "$tool" make "$tmp/record" prove 5 "${program##*/}" "${places[@]}"
        run_watched "${@:5}"
        ! was_watched "$called" || break
    done
    watched "$name" prove "$called"
}

# shellcheck disable=SC2016
{
    same bash bash program 'execute_command expand_word_unsplit expand_words parse_command' \
        bash -c 'declare -A map; while read -r a b c; do map[$c]+=$b; done <data
            for key in $(printf "%s\n" "${!map[@]}" | sort); do echo "$key ${#map[$key]}"; done
            trap "echo USR1 \$((++n))" USR1; for i in {1..20}; do kill -USR1 $$; done
            for i in {1..5}; do x=$(echo "$i" | { read -r y; echo "$y$y"; }); echo "$x"; done
            no_such_command; exit 3'
    same perl perl program 'Perl_pp_entersub Perl_pp_match Perl_newSVpvn' \
        perl -e 'my %h; sub add { push @{$h{$_[0]}}, $_[1] } open my $f, "<", "data";
            while (<$f>) { add($2, $1) if /^\d+ (\d+) (\w+)/ }
            print map { "$_ @{$h{$_}}[0..5]\n" } sort keys %h;
            unless (fork) { print "child ", join("", map { $_ x 3 } 1 .. 500), "\n"; exit 0 } wait;
            eval { die { code => 5 } }; print $@->{code}; die "with a message\n"'
    python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    same "$python" "$python" program 'PyObject_Repr PyUnicode_Join PyList_Append PyObject_Call' \
        "$python" -c '
import json, re, sys, threading
table = {}
for line in open("data"):
    a, b, c = line.split()
    table.setdefault(c, []).append(int(b))
threads = [threading.Thread(target=lambda: json.loads(json.dumps(table))) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(table, sort_keys=True)[:2000], repr(table)[:500], len(re.findall("word9", open("data").read())))
sys.exit("a message")'
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_{AUTHOR,COMMITTER}_NAME=name \
        GIT_{AUTHOR,COMMITTER}_EMAIL=name@example.org GIT_{AUTHOR,COMMITTER}_DATE='@1700000000 +0000'
    same git git libz.so.1 'deflate deflateInit_ inflate inflateInit_' \
        bash -c 'rm -rf repository; git -c init.defaultBranch=main init repository && cd repository &&
            for i in 1 2 3; do head -n "${i}00" ../data >file; git add file; git commit -m "number $i"; done
            git log -p | md5sum; git repack -a -d; git fsck; git show no_such_thing'
    same sqlite3 sqlite3 libsqlite3.so.0 'sqlite3_prepare_v2 sqlite3_step sqlite3_exec' \
        sqlite3 :memory: 'create table t (a int, b int, c text);' '.separator " "' '.import data t' \
        'create index i on t (b); select a from t where b between 100 and 400 order by a;' \
        'select c, count(*), sum(b), group_concat(a) from t group by c order by c;' \
        'select * from no_such_table;'
    cat >one.c <<END
#include <stdio.h>
#include <string.h>
int count(const char *text, char c) { int n = 0; while (*text) n += *text++ == c; return n; }
int main(void) { int unused; char line[100]; while (fgets(line, sizeof line, stdin)) printf("%d %zu\n", count(line, 'w'), strlen(line)); return 0; }
END
    same gcc "$(gcc -print-prog-name=cc1 2>/dev/null)" program '_Z12c_parse_filev _Z21push_function_contextv' \
        gcc -O2 -Wall -S -o - one.c
}
done_testing

#!/usr/bin/env bash
# Programs that know nothing of scopes behave under the shim as without it: output and exit status
# are the same, and nothing is routed. That the shim was in the path is shown by its statistics, of
# every process of the run.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

work=$tmp/work
mkdir "$work"
cd "$work" || exit 99
# Text with repetitions, for the tools to work on.
awk 'BEGIN { for (i = 0; i < 20000; i++) print i, (i * 7919) % 10007, "word" i % 97 }' >data

# same NAME PROCESSES COMMAND...: with at least so many processes under the shim
same() {
    local name=$1 processes=$2 plain files
    shift 2
    if ! have "$name"; then
        skip "$name" "$name is not installed"
        return
    fi
    capture "$@"
    plain=$status:$(md5sum <"$tmp/out"):$err
    rm -f "$tmp"/stats.*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" "$@"
    is "$name: the same status, output and messages" "$status:$(md5sum <"$tmp/out"):$err" "$plain"
    files=("$tmp"/stats.*)
    check "$name: the shim was in the path of ${#files[@]} processes" \
        test -e "${files[0]}" -a "${#files[@]}" -ge "$processes"
    is "$name: nothing is routed, nothing is wrong" \
        "$(jq -s 'map(.routed_calls + .scopes + .misuses + .left_open + .ignored_frees) | add' \
            "${files[@]}")" 0
}

# Text in single quotes is for the programs.
# shellcheck disable=SC2016
{
    same bash 2 bash -c 'declare -A map; while read -r a b c; do map[$c]+=$b; done <data
        for key in $(printf "%s\n" "${!map[@]}" | sort); do echo "$key ${#map[$key]}"; done; exit 3'
    same awk 1 awk '{ sum[$3] += $2; text = text $1 } END { print length(text)
        for (key in sum) print key, sum[key] | "sort" } ' data
    same perl 1 perl -e 'my %h; open my $f, "<", "data"; while (<$f>) { my @a = split; push @{$h{$a[2]}},
        $a[1] } print map { "$_ @{$h{$_}}[0..5]\n" } sort keys %h; die "with a message\n"'
    same sort 1 sort -k2,2n -k1,1r data
    same sqlite3 1 sqlite3 :memory: 'create table t (a int, b int, c text);' '.separator " "' \
        '.import data t' 'select c, count(*), sum(b) from t group by c order by c;' \
        'create index i on t (b); select a from t where b between 100 and 110 order by a;'
    same tar 1 bash -c 'tar cf - data | tar tvf - | wc -l'
    same xz 1 bash -c 'tar cf - data | xz -T2 --block-size=65536 -c | xz -T2 -dc | tar xOf - | md5sum'
}

# The interpreter itself: a wrapper around it would be a shell.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
same "$python" 1 "$python" -c '
import json, re, sys, threading
rows = [line.split() for line in open("data")]
table = {}
for a, b, c in rows:
    table.setdefault(c, []).append(int(b))
threads = [threading.Thread(target=lambda: json.loads(json.dumps(table))) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(json.dumps(table, sort_keys=True)[:2000], len(re.findall("word9", open("data").read())))
sys.exit(5)'

if have git; then
    export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2001-01-01 00:00 +0000' \
        GIT_COMMITTER_DATE='2001-01-01 00:00 +0000'
    same git 2 bash -c 'rm -rf repository && git init -q -b main repository && cd repository &&
        cp ../data . && git add data && git -c user.name=a -c user.email=b commit -q -m one &&
        sed -i 100,200d data && git diff --stat && git gc -q && git fsck && git log --format=%H'
else
    skip git 'git is not installed'
fi

cat >program.c <<'SOURCE'
#include <stdio.h>
int main(void)
{
    printf("%d\n", 4711);
    return 0;
}
SOURCE
compiler=${cc%% *}
same "$compiler" 2 bash -c "$compiler -O2 -Wall -Wextra -c program.c -o program.o && md5sum <program.o
    $compiler program.o -o program && ./program; $compiler -c no-such-file.c"
cat >program.cc <<'SOURCE'
#include <map>
#include <string>
std::map<std::string, int> map;
int main() { return map["x"]; }
SOURCE
same "${cxx%% *}" 2 "${cxx%% *}" -O1 -c program.cc -o -
done_testing

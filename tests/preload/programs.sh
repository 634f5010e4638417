#!/usr/bin/env bash
# Programs that know nothing of scopes behave under the shim as without it: output, messages and
# exit status are the same
# - passing through, where nothing is routed,
# - with the process as the scope, where their memory comes from the arena, and nothing goes back,
# - with the process as the scope and a small limit, where most calls fall back,
# - and, for threads that keep nothing, with each thread as a scope.
# That the shim was in the path is shown by its statistics, of every process of the run.
# PROGRAMS_LONG=1 in the environment gives the larger programs more to do.
#
# shellcheck disable=SC2154,SC2034
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

work=$tmp/work limit=300
mkdir "$work"
cd "$work" || exit 99
# Text with repetitions, for the tools to work on.
awk 'BEGIN { for (i = 0; i < 20000; i++) print i, (i * 7919) % 10007, "word" i % 97 }' >data
fallbacks=0
commits=6 functions=50 rows=20000
[ -z "${PROGRAMS_LONG-}" ] || commits=40 functions=400 rows=200000

outcome() {
    printf '%s' "$status:$(md5sum <"$tmp/out"):$err"
}

total() {
    jq -s "map($1) | add" "$tmp"/stats.*
}

# with_shim NAME PROCESSES PLAIN VARIABLE=VALUE... -- COMMAND...: the outcome is PLAIN, with at least
# so many processes under the shim
with_shim() {
    local name=$1 processes=$2 plain=$3 files settings=()
    shift 3
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    shift
    rm -f "$tmp"/stats.*
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats.%p" \
        "${settings[@]}" "$@"
    is "$name: the same status, output and messages" "$(outcome)" "$plain"
    files=("$tmp"/stats.*)
    check "$name: the shim was in the path of ${#files[@]} processes" \
        test -e "${files[0]}" -a "${#files[@]}" -ge "$processes"
    is "$name: nothing is wrong" "$(total '.misuses + .left_open')" 0
}

# same TOOL[:WHAT] PROCESSES COMMAND...
same() {
    local name=$1 processes=$2 plain
    shift 2
    if ! have "${name%%:*}"; then
        skip "$name" "${name%%:*} is not installed"
        return
    fi
    capture "$@"
    plain=$(outcome)
    with_shim "$name" "$processes" "$plain" -- "$@"
    is "$name: nothing is routed" "$(total '.routed_calls + .scopes + .ignored_frees')" 0

    with_shim "$name, process" "$processes" "$plain" ARENASHIM_SCOPES=process -- "$@"
    # shellcheck disable=SC2016
    check "$name, process: routed" jq -se --argjson least "$processes" \
        'map(select(.routed_calls > 0)) | length >= $least' "$tmp"/stats.*

    with_shim "$name, process, small limit" "$processes" "$plain" ARENASHIM_SCOPES=process \
        ARENASHIM_LIMIT=1M -- "$@"
    check "$name, process, small limit: routed" test "$(total .routed_calls)" -gt 0
    fallbacks=$((fallbacks + $(total .fallbacks)))

    if [ -n "${threads-}" ]; then
        with_shim "$name, thread" "$processes" "$plain" ARENASHIM_SCOPES=thread -- "$@"
    fi
}

# ---- shells and filters ------------------------------------------------------------------------

# Text in single quotes is for the programs.
# shellcheck disable=SC2016
{
    same bash 2 bash -c 'declare -A map; while read -r a b c; do map[$c]+=$b; done <data
        for key in $(printf "%s\n" "${!map[@]}" | sort); do echo "$key ${#map[$key]}"; done; exit 3'
    same bash:children 20 bash -c 'for i in {1..60}; do x=$(echo "$i" | { read -r y; echo "$y$y"; })
            echo "$x"; done
        for i in {1..20}; do sed -n "${i}p" data; done
        cat <(head -n 3 data) <(tail -n 3 data) <<<unread; exec false'
    same bash:traps 1 bash -c 'trap "echo USR1 \$((++n))" USR1; trap "echo bye \$n; exit 4" TERM
        trap "echo exit" EXIT
        for i in {1..200}; do kill -USR1 $$; x+=$(printf "%0100d" "$i"); done; echo ${#x}
        (trap "echo child" TERM; kill -TERM "$BASHPID"; echo after)
        exec 3< <(trap - TERM; echo ready; exec sleep 100); read -r line <&3; kill $!; wait $!; echo $? $line
        kill -TERM $$; echo not reached'
    same awk 1 awk '{ sum[$3] += $2; text = text $1 } END { print length(text)
        for (key in sum) print key, sum[key] | "sort" } ' data
    same perl 1 perl -e 'my %h; open my $f, "<", "data"; while (<$f>) { my @a = split; push @{$h{$a[2]}},
        $a[1] } print map { "$_ @{$h{$_}}[0..5]\n" } sort keys %h; die "with a message\n"'
    same perl:children 1 perl -e '$| = 1; my @children; for my $i (1 .. 20) {
            my $child = open(my $pipe, "-|") // die; unless ($child) { print "x" x (1000 * $i); exit $i }
            push @children, $pipe } for (@children) { local $/; my $text = <$_>; close $_;
            print length $text, " ", $? >> 8, "\n" }
        local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; 1 while 1 }; print $@;
        print `echo from a shell`; print map { sprintf("%08d %s\n", $_, "abc" x ($_ % 50)) } 1 .. 50000'
    same sort 1 sort -k2,2n -k1,1r data
    same sort:threads 1 sort --parallel=2 -S 100K -k3 data
    same tar 1 bash -c 'tar cf - data | tar tvf - | wc -l'
    threads=yes same xz 1 bash -c \
        'tar cf - data | xz -T2 --block-size=65536 -c | xz -T2 -dc | tar xOf - | md5sum'
}

# ---- sqlite3 -----------------------------------------------------------------------------------

same sqlite3 1 sqlite3 :memory: 'create table t (a int, b int, c text);' '.separator " "' \
    '.import data t' 'select c, count(*), sum(b) from t group by c order by c;' \
    'create index i on t (b); select a from t where b between 100 and 110 order by a;'
cat >queries.sql <<SQL
pragma journal_mode = wal;
create table t (id integer primary key, a int, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
    insert into t select i, i * 7919 % 10007, printf('%06d %s', i, hex(i * i)) from n;
create index of_a on t (a);
create table words as select distinct substr(b, 8) as word from t;
select count(*), sum(length(word)), group_concat(distinct length(word)) from words;
select x.id, y.b from t x join t y on y.a = x.id where x.a < 300 order by y.b desc limit 1000;
select a % 10, avg(id), max(b) over (order by a % 10) from t group by a % 10;
begin; update t set b = upper(b) || 'x' where a > 5000; delete from t where id % 3 = 0; rollback;
begin; delete from t where id % 2 = 0; commit;
select * from t order by b limit 20000;
select json_group_array(json_object('a', a)) from (select a from t where a < 50 order by id);
select * from no_such_table;
vacuum; pragma integrity_check;
SQL
same sqlite3:queries 1 bash -c 'rm -f db*; sqlite3 db <queries.sql; echo $?; sqlite3 db .dump | md5sum'

# ---- python ------------------------------------------------------------------------------------

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

# ---- git ---------------------------------------------------------------------------------------

if have git; then
    export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2001-01-01 00:00 +0000' \
        GIT_COMMITTER_DATE='2001-01-01 00:00 +0000' GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=b \
        GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=b
    same git 2 bash -c 'rm -rf repository && git init -q -b main repository && cd repository &&
        cp ../data . && git add data && git commit -q -m one &&
        sed -i 100,200d data && git diff --stat && git gc -q && git fsck && git log --format=%H'
    # Two branches that merge, with many objects, packed by two threads.
    # shellcheck disable=SC2016
    same git:threads 30 env commits=$commits bash -c 'rm -rf large && git init -q -b main large && cd large &&
        git config pack.threads 2 && git config grep.threads 2 && split -l 200 ../data part. &&
        git add . && git commit -q -m parts || exit
        for ((i = 1; i <= commits; i++)); do sed -i "${i}0s/^/changed $i /" part.a?
            git commit -qam "change $i"; done
        git checkout -q -b other HEAD~3 && echo other >new && git add new && git commit -q -m other
        git checkout -q main && git merge -q --no-edit other && git rebase -q other~1 2>&1
        git repack -q -a -d -f --depth=10 --window=10 && git gc -q --aggressive && git fsck --strict
        git clone -q . ../large/clone && git -C clone log --stat --format=%H | md5sum
        git log --format="%H %s" -n 5; git grep -c "changed 1" | sort | tail -n 3; git blame -s part.aa
        git status --short; git log no-such-revision'
else
    skip git 'git is not installed'
fi

# ---- compilers ---------------------------------------------------------------------------------

cat >program.c <<'SOURCE'
#include <stdio.h>
int main(void)
{
    printf("%d\n", 4711);
    return 0;
}
SOURCE
# Many functions, which call each other, with a bit of everything.
awk -v functions=$functions 'BEGIN { print "#include <string.h>\n#include <math.h>"
    for (i = 0; i < functions; i++) {
        printf "struct s%d { int a[%d]; double d; struct s%d *next; };\n", i, i % 7 + 1, i
        printf "static double f%d(struct s%d *s, int n) {\n    double r = n;\n", i, i
        printf "    for (int k = 0; k < n; k++) { r += sqrt(s->d * k + %d); s->a[k %% %d] ^= k; }\n", i, i % 7 + 1
        printf "    switch (n %% 5) { case 0: r *= 2; break; case 1: r -= s->a[0]; break; default: r++; }\n"
        printf "    if (s->next && n > 0) r += f%d(s->next, n - 1);\n    return r;\n}\n", i
        printf "double g%d(int n) {\n    struct s%d s[3];\n    memset(s, n, sizeof s);\n    s[0].next = &s[1];\n", i, i
        printf "    s[1].next = 0;\n    return f%d(s, n)%s;\n}\n", i, i ? " + g" i - 1 "(n / 2)" : ""
    }
    print "int main(void) { return g" functions - 1 "(20) > 0; }" }' >large.c
compiler=${cc%% *}
compiled() {
    if [ -z "${EMULATED-}" ]; then
        same "$@"
    else
        skip "$1" 'compilers are not emulated'
    fi
}
compiled "$compiler" 2 bash -c "$compiler -O2 -Wall -Wextra -c program.c -o program.o && md5sum <program.o
    $compiler program.o -o program && ./program; $compiler -c no-such-file.c"
compiled "$compiler:large" 3 bash -c "$compiler -O2 -g -frandom-seed=1 -c large.c -o large.o && md5sum <large.o
    $compiler large.o -lm -o large && md5sum <large && ./large; echo \$?
    ld -r large.o program.o -o both.o; ar rcs lib.a large.o program.o && nm lib.a | md5sum
    objdump -d large.o | md5sum"
cat >program.cc <<'SOURCE'
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
std::map<std::string, std::vector<int>> map;
int main(int argc, char **argv)
{
    for (int i = 0; i < 1000; i++)
        map[std::to_string(i * i)].push_back(argc);
    for (auto &[key, list] : map)
        if (std::regex_match(key, std::regex("1.*4")))
            std::cout << key << list.size() << '\n';
    return argc;
}
SOURCE
compiled "${cxx%% *}" 2 bash -c "${cxx%% *} -O1 -std=c++17 -c program.cc -o program.o && md5sum <program.o
    ${cxx%% *} program.o -o program && ./program | md5sum
    echo 'template <int n> struct a { typename a<n - 1>::b c; }; a<9> d;' | ${cxx%% *} -x c++ -c -"

check 'with a small limit calls fell back' test "$fallbacks" -gt 1000
done_testing

#!/usr/bin/env bash
# Programs as Debian ships them, with scopes named from outside: output, messages and exit status are
# the same as without the shim, byte for byte, whichever functions are named, and however long what
# they draw is kept. That the scopes were there is shown by the statistics.
#
# BINARIES_LONG=1 in the environment gives the programs more to do (jq a file of 50 MB), and names
# functions by the ten thousand.
#
# shellcheck disable=SC2154,SC2034
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ -r "${shim%/*}/libarenashim-wrap.so" ] || plan_skip 'the part that wraps functions is not built'
here=$source_dir/tests/wrap
long=${BINARIES_LONG-}
limit=${long:+1800} limit=${limit:-300}
export PYTHONHASHSEED=0
# Or the emulator's stack takes all that a branch reaches beside the program.
[ -z "${EMULATED-}" ] || export QEMU_STACK_SIZE=33554432
cd "$tmp" || exit 99

outcome() {
    printf '%s' "$status:$(md5sum <"$tmp/out"):$err"
}

# plainly COMMAND...: runs it without the shim; false when it is not there
plainly() {
    if ! have "$1"; then
        skip "$1" "$1 is not installed"
        return 1
    fi
    command=("$@")
    capture "${command[@]}"
    wanted=$(outcome)
}

# total FILTER: the sum over all processes of the last run
total() {
    jq -s "[.[] | $1] | add // 0" "$tmp/stats"/*
}

# scoped SITES CALLS OPTION...: the same command with these options of arenashim run, does the same;
# so many sites at least, each with scopes, and so many routed calls.
scoped() {
    local sites=$1 calls=$2 name
    shift 2
    name="${command[*]:0:2} with $*"
    name=${name//"$tmp/"/}
    # All that a branch reaches beside a program may be the emulator's own; the next time it lies elsewhere.
    local tries=${EMULATED:+5} far='cannot wrap .*: there is no memory near it'
    while :; do
        rm -rf "$tmp/stats"
        mkdir "$tmp/stats"
        capture "$arenashim" run "$@" --stats=json --stats-file="$tmp/stats/%p" -- "${command[@]}"
        [[ $((tries -= 1)) -gt 0 && $err =~ $far ]] || break
    done
    is "$name: the same status, output and messages" "$(outcome)" "$wanted"
    check "$name: calls are routed" test "$(total .routed_calls)" -ge "$calls"
    check "$name: scopes of what is named" test \
        "$(jq -s '[.[].sites[] | select(.scopes > 0).label] | unique | length' "$tmp/stats"/*)" \
        -ge "$sites"
    is "$name: nothing is wrong" "$(total .misuses)" 0
}

# named FUNCTION... : the last run had scopes of each
named() {
    local function
    # shellcheck disable=SC2016
    for function; do
        check "  and $function is a site" jq -se --arg name "$function" \
            'any(.[].sites[]; .label == $name and .scopes > 0)' "$tmp/stats"/*
    done
}

# ---- jq ----------------------------------------------------------------------------------------

# records BYTES: a file of JSON records, one a line
records() {
    awk -v bytes="$1" 'BEGIN { for (i = 0; size < bytes; i++) {
        n = (i * 7919) % 10007
        line = sprintf("{\"id\": %d, \"name\": \"w\303\266rd%d \\\"%d\\\" end\", \"score\": %.5f, " \
            "\"tags\": [\"t%d\", \"t%d\", \"a\\\\b\"], \"nested\": {\"a\": [%d, null, true], " \
            "\"s\": \"%0*d\"}}", i, n, i % 13, n / 7, i % 5, i % 3, n, 1 + i % 60, i)
        print line
        size += length(line) + 1 } }' >records.json
}

filter='{id, name: (.name | ascii_upcase | split(" ") | sort | join("-")), tags: (.tags | unique |
    map(test("1$"))), score: (.score * 2 | floor), nested: .nested.a[0:2],
    paths: [paths(type == "number")] | length}'
records $((${long:+5}2000000 / ${EMULATED:-1}))
if plainly jq -c "$filter" records.json; then
    calls=$(wc -l <records.json)
    scoped 1 "$((10 * calls))" --scope='libjq.so*!jq_next'
    named 'libjq.so.1!jq_next'
    scoped 1 "$((4 * calls))" --scope='libjq.so.1!jv_parser_next'
    named 'libjq.so.1!jv_parser_next'
    # Nobody draws in jv_free.
    scoped 3 "$calls" --scope='libjq.so*!jq_start' --scope=jq_next --scope=jv_free \
        --overflow=fallback --capacity=32K
    head -n ${long:+2}500 records.json >few.json
    plainly jq -c "$filter" few.json
    scoped 80 1000 --scope='libjq.so*!j[qv]_*'
    scoped 80 1000 --scope='libjq.so*!j[qv]_*' --modules=all --debug=poison,verify
fi

# ---- sqlite3 -----------------------------------------------------------------------------------

sed "s/ROWS/${long:+1}20000/g" "$here/queries.sql" >queries.sql
if plainly sqlite3 test.db '.read queries.sql'; then
    for function in step prepare_v2 exec; do
        rm -f test.db
        scoped 1 500 --scope="libsqlite3.so*!sqlite3_$function"
        named "libsqlite3.so.0!sqlite3_$function"
    done
    rm -f test.db
    scoped 40 5000 --scope='libsqlite3*!sqlite3_*'
    rm -f test.db
    scoped 1 30000 --scope=process --end=retain --capacity=64M
    rm -f test.db
    scoped 1 10000 --scope=process --end=retain
fi

# ---- recall, whose source has marks, built without them ----------------------------------------

mkdir -p unmarked/arenashim stripped
printf '#define ARENA_SCOPE(label)\n#define ARENA_SCOPE_HERE(label)\n' >unmarked/arenashim/scope.h
# shellcheck disable=SC2086
check 'recall compiles without marks' $cc -O2 -ffp-contract=off -pthread -Iunmarked -o unmarked/recall \
    "$source_dir"/examples/{recall,kernels}/*.c -lm
strip -o stripped/recall unmarked/recall
unlike 'and has none' "$(strings unmarked/recall)" arena_scope
recall=$BUILDDIR/examples/recall/recall
arguments=(--synthetic --queries 200 --seed 7 --threads 2)
[ ! -r /usr/share/wordnet/data.noun ] || arguments=(--queries 200 --seed 7 --threads 2)
kernels=(engine_recall spread_activation cosine_similarity select_best)
named_options=() offset_options=()
for kernel in "${kernels[@]}"; do
    named_options+=(--scope="recall!$kernel")
    # NM may hold options, as CC may.
    # shellcheck disable=SC2086
    offset=$(${NM:-nm} unmarked/recall | awk -v name="$kernel" '$3 == name { sub("^0*", ""); print $1 }')
    offset_options+=(--scope="recall!+0x$offset")
done
capture "$arenashim" run --stats=json --stats-file="$tmp/marked" -- "$recall" "${arguments[@]}"
wanted=$(outcome)
like 'recall with marks prints a checksum' "$out" '^checksum [0-9a-f]{16}$'
marked=$(jq -c '[.sites[].scopes] | sort' marked)
command=(unmarked/recall "${arguments[@]}")
for end in retain reset; do
    command[0]=unmarked/recall
    scoped 4 100000 --end=$end "${named_options[@]}"
    named "${kernels[@]/#/recall!}"
    is "recall, $end: as many scopes as with marks" \
        "$(jq -c '[.sites[].scopes] | sort' "$tmp/stats"/*)" "$marked"
    command[0]=stripped/recall
    scoped 4 100000 --end=$end "${offset_options[@]}"
    is "recall, stripped, $end: as many scopes as with marks" \
        "$(jq -c '[.sites[].scopes] | sort' "$tmp/stats"/*)" "$marked"
done
command[0]=unmarked/recall
scoped 20 1000 --scope='recall!*'

# ---- the compiler ------------------------------------------------------------------------------

# A large C file.
awk -v functions="${long:+1}300" 'BEGIN {
    print "int printf(const char *, ...);"
    for (i = 0; i < functions; i++)
        printf "static int f%d(int n, int *p)\n{\n    int s = 0;\n    for (int i = 0; i < n; i++)\n" \
            "        if (p[i] > %d)\n            s += p[i] * %d;\n        else\n" \
            "            s ^= p[i] << 3;\n    return s;\n}\n", i, i, i
    print "int main(int argc, char **argv)\n{\n    int a[64], t = 0;\n    (void)argv;"
    print "    for (int i = 0; i < 64; i++)\n        a[i] = i * argc;"
    for (i = 0; i < functions; i++)
        print "    t += f" i "(64, a);"
    print "    return printf(\"%d\\n\", t) < 0;\n}" }' >large.c
if [ -n "${EMULATED-}" ]; then
    skip gcc 'its assembler is not emulated'
elif plainly gcc -O2 -Wall -Wextra -c large.c -o object.o; then
    is 'gcc compiles it' "$status" 0
    cp object.o plain.o
    for end in reset retain; do
        rm object.o
        scoped 1 100000 --scope=process --end=$end
        check "gcc, process, $end: the object file is the same" cmp object.o plain.o
    done
fi
if [ -n "${EMULATED-}" ]; then
    skip cc1 'it takes an emulator too long'
elif plainly "$(gcc -print-prog-name=cc1)" -quiet -O2 large.c -o large.s; then
    is 'cc1 compiles it' "$status" 0
    mv large.s plain.s
    scoped 50 1000 --scope='cc1!*pass*' --scope='cc1!ggc_*alloc*' --scope='libgmp*!*'
    check 'cc1: the assembly is the same' cmp large.s plain.s
    if [ -n "$long" ]; then
        rm large.s
        # All but operators new and delete, which cannot be; a report has room for 511 sites.
        scoped 500 1000 --scope='cc1!_Z[!dn]*'
        check 'cc1, all of it named: the assembly is the same' cmp large.s plain.s
    fi
fi

# ---- perl and python ---------------------------------------------------------------------------

if plainly perl "$here/variety.pl"; then
    is 'perl runs to its end' "$status" 7
    scoped 1 50000 --scope=process
    scoped 1 50000 --scope=process --end=retain
    scoped 1 1000 --scope='main!Perl_runops_standard'
    scoped 100 1000 --scope='perl!Perl_[ahgs]v_*' --scope='[A-Z]*.so!boot_*'
    scoped 500 1000 --scope='main!*' --debug=poison,verify
fi

# The interpreter itself: a wrapper around it would be a shell.
python=/usr/bin/python3
if plainly "$python" "$here/variety.py"; then
    is 'python runs to its end' "$status" 9
    scoped 1 10000 --scope=process
    export PYTHONMALLOC=malloc
    scoped 1 500000 --scope=process --end=retain
    scoped 1 1 --scope=thread --end=retain
    scoped 1 100000 --scope='main!_PyEval_EvalFrameDefault'
    scoped 3 1 --scope='libz.so*!inflate*' --scope='libsqlite3*!sqlite3_step' \
        --scope='libexpat*!XML_Parse' --scope='*.cpython-*!PyInit_*'
    unset PYTHONMALLOC
    scoped 200 100 --scope='main!Py*' --modules=all --capacity=64K
fi

# ---- threads -----------------------------------------------------------------------------------

# To standard output xz 5.8 would compress in a sandbox, which keeps the statistics from being written.
if plainly xz -T2 --block-size=200000 -kf records.json; then
    mv records.json.xz plain.xz
    for row in '0 --scope=thread' '0 --scope=thread --end=retain' '1 --scope=liblzma*!lzma_code'; do
        rm -f records.json.xz
        # shellcheck disable=SC2086
        scoped 1 $row
        check "xz, ${row#* }: the compressed file is the same" cmp records.json.xz plain.xz
    done
fi
# Its threads hand blocks to one another: with --end=reset it crashes.
if have git && git init -q repository; then
    for i in {1..40}; do
        head -c $((i * 3000)) records.json | tail -c 30000 | sort -R --random-source=large.c >"repository/f$i"
    done
    git -C repository add . && find repository/.git/objects -type f |
        sed -n 's|.*/\(..\)/\(.\{38\}\)$|\1\2|p' | sort >objects
    plainly bash -c \
        'git -C repository pack-objects --threads=4 --window=20 --stdout -q <objects | md5sum'
    scoped 1 100 --scope=thread --end=retain
fi

# ---- further programs --------------------------------------------------------------------------

# shellcheck disable=SC2016
if plainly bash -c 'declare -A map; for i in {1..2000}; do map[$((i * 7 % 53))]+=$i,; done
    for key in "${!map[@]}"; do echo "$key ${map[$key]}"; done | sort
    f() { (($1 < 2)) && { echo "$1"; return; }; echo $(($(f $(($1 - 1))) + $(f $(($1 - 2))))); }; f 6
    [[ abc123 =~ ^([a-z]+)([0-9]+)$ ]] && echo "${BASH_REMATCH[@]}"; mapfile -t lines < <(seq 1000)
    trap "echo USR1" USR1; kill -USR1 $$; trap "echo bye" EXIT; no-such-command; cd /none; exit 4'; then
    scoped 1 500 --scope='bash!execute_command'
    # bash has a getenv of its own, which the counting of lines calls, as it does fopen.
    if counts_lines; then
        skip 'bash!*' 'lines are counted'
    else
        scoped 300 500 --scope='bash!*' --debug=poison,verify
    fi
fi
if plainly openssl enc -aes-256-cbc -pbkdf2 -S 0011223344556677 -k word -in records.json -out encrypted; then
    mv encrypted plain
    scoped 20 100 --scope='libcrypto*!EVP_*' --scope='libcrypto*!BIO_*'
    check 'openssl: the encrypted file is the same' cmp encrypted plain
fi
# C++, with exceptions; and the C library itself.
if plainly apt-cache policy bash; then
    scoped 20 1000 --scope='pkgCache*' --scope='libapt-pkg*!FileFd::*'
fi
if counts_lines; then
    skip 'libc.so.6!_IO_file_*' 'lines are counted'
elif plainly sort -k2 records.json; then
    scoped 10 1 --scope='libc.so.6!_IO_file_*' --scope='libc.so.6!fopen' --scope='libc.so.6!setlocale' \
        --scope='libc.so.6!pthread_create'
fi

# ---- programs that a program starts ------------------------------------------------------------

plainly sh -c 'perl -e "print 1"; perl -e "print STDERR 2"'
scoped 1 1 --scope='perl!Perl_runops_standard'
capture "$arenashim" run --scope='main!nothing' --scope='none!nothing' -- bash -c 'perl -e 1; sh -c true'
is 'what no spec suits says so once' "$(grep -c matches "$tmp/err")" 2
capture "$arenashim" run --scope='main!nothing' -- bash -c 'exec perl -e 1'
is 'and again when it becomes another program' "$(grep -c matches "$tmp/err")" 2
echo 'main!nothing' >specs
capture "$arenashim" run --scope-file=specs -- bash -c 'perl -e 1; :'
is 'specs of a file: once' "$(grep -c matches "$tmp/err")" 1
done_testing

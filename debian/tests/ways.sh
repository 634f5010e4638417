#!/bin/bash
# The ways of use of README.md, with what is installed: marks in a program's source, preloaded by the
# command and by LD_PRELOAD; functions of a binary that nobody rebuilds; the arena library; the check
# under Valgrind; a budget.
set -eu

work=${AUTOPKGTEST_TMP:-$(mktemp -d)}
cd "$work"

# expect WAY ERE COMMAND...: the command's output, both streams, has a line that matches
expect() {
    local out
    out=$("${@:3}" 2>&1) || true
    if ! grep -Eq -e "$2" <<<"$out"; then
        printf '%s: FAILED, no line matches %s\n%s\n' "$1" "$2" "$out" >&2
        exit 1
    fi
    printf '%s: passed\n' "$1"
}

cat >rank.c <<'END'
#include <arenashim/scope.h>
#include <stdio.h>
#include <stdlib.h>

static int *kept;

int main(int argc, char **argv)
{
    (void)argv;
    for (int i = 0; i < 100; i++) {
        ARENA_SCOPE_HERE("rank");
        kept = malloc(64);
        *kept = i;
    }
    return argc > 1 ? *kept : puts("ranked") < 0;
}
END
cat >scratch.c <<'END'
#include <arenashim/arena.h>
#include <stdio.h>

int main(void)
{
    char *block = arena_alloc(arena_thread(), 100, 8);
    return !block || puts("drawn") < 0;
}
END
read -ra flags < <(pkg-config --cflags --libs arenashim)
"${CC:-cc}" -O2 -g rank.c -o rank "${flags[@]}"
"${CC:-cc}" -O2 -g scratch.c -o scratch "${flags[@]}" -pthread
echo '<a><b/><b/></a>' >a.xml

expect 'marked, without the shim' '^ranked$' ./rank
expect 'marked, preloaded by the command' 'routed calls +100$' arenashim run --stats -- ./rank
expect 'marked, preloaded by LD_PRELOAD' 'routed calls +100$' \
    env LD_PRELOAD="$(pkg-config --variable=preload arenashim)" ARENASHIM_STATS=text ./rank
expect 'a function of a binary is named' ' retain +0x.* entry +libxml2.so.2!xmlReadFile' \
    arenashim scopes --scope='libxml2.so.2!xmlReadFile' -- xmllint
expect 'its calls are scopes' 'routed calls +[1-9]' \
    arenashim run --scope='libxml2.so.2!xmlReadFile' --stats -- xmllint --noout a.xml
expect 'the process as a scope' 'routed calls +[1-9]' \
    arenashim run --scope=process --stats -- xmllint --noout a.xml
expect 'the arena library' '^drawn$' ./scratch
if [ -z "${EMULATED-}" ]; then
    expect 'check, in order' '^ranked$' arenashim check -- ./rank
    expect 'check, a block that dangles' 'Invalid read of size 4' arenashim check -- ./rank stale
else
    echo 'check: skipped: an emulator does not run Valgrind'
fi
expect 'a budget is written' '^ranked$' arenashim run --budget budget.json --update -- ./rank
expect 'a budget is kept' '^ranked$' arenashim run --budget budget.json -- ./rank
echo '{"format": 1, "total": {"routed_calls": 10}}' >budget.json
expect 'a budget is broken' 'routed_calls is 100, the budget allows at most 10' \
    arenashim run --budget budget.json -- ./rank

#!/usr/bin/env bash
# The entry patcher over every function of large libraries: each is accepted or refused, each copy
# does as the original, and no branch that objdump sees goes to overwritten bytes. Further files:
# make check TESTS=tests/wrap/fuzz_patch.sh FUZZ_FILES="/usr/bin/x /usr/bin/y"
#
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

fuzz=$(realpath "${BUILDDIR:-.}")/tests/wrap/fuzz_patch
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
PATH=${HOST_TOOLS:+$HOST_TOOLS:}$PATH
command -v objdump >/dev/null || plan_skip 'objdump is not installed'

fuzz_file() {
    if report=$("$fuzz" "$1" 2>&1); then
        ok "$1"
        tap_comment "$report"
    else
        not_ok "$1" "$report"
    fi
}

cc=${CC:-cc} # with options
# shellcheck disable=SC2086
searched=$($cc -print-search-dirs 2>/dev/null | sed -n 's/^libraries: =//p' | tr : '\n')
found=0
for name in libc.so.6 libm.so.6 libstdc++.so.6 libz.so.1 libcrypto.so.3 libsqlite3.so.0 \
    'libpython3.*.so.1.0' 'libperl.so.5.??'; do
    file=$(while read -r folder; do
        compgen -G "$folder/$name"
    done <<<"$searched" | sed -n 1p | xargs -r realpath)
    if [ -z "$file" ]; then
        skip "$name" 'is not installed'
        continue
    fi
    found=$((found + 1))
    fuzz_file "$file"
done
for file in $FUZZ_FILES; do
    fuzz_file "$file"
done
check 'at least three libraries are there' test "$found" -ge 3

# Entries that a compiler made for patching, and code without optimisation or alignment.
cat >"$tmp/some.c" <<'EOF'
#include <stdio.h>
int value, table[10];
static __attribute__((noinline)) int square(int x) { return x * x; }
int get(void) { return value; }
void set(int x) { value = x; }
int sum(void) { int s = 0; for (int i = 0; i < 10; i++) s += square(table[i]); return s; }
int deep(int n) { return n > 0 ? deep(n - 1) + sum() * n : get(); }
int say(const char *text) { return puts(text); }
EOF
for flags in -O0 -Os -O2 '-O2 -fcf-protection' '-O2 -fpatchable-function-entry=5' \
    '-O2 -fpatchable-function-entry=8,2 -fcf-protection' '-Os -fpatchable-function-entry=1' \
    '-O2 -fno-pic -no-pie -pg -mfentry -mnop-mcount'; do
    # shellcheck disable=SC2086
    if ! $cc $flags -fPIC -shared -o "$tmp/some.so" "$tmp/some.c" 2>"$tmp/errors" &&
        ! $cc $flags -Wl,--unresolved-symbols=ignore-all -Wl,-e,say -nostartfiles \
            -o "$tmp/some.so" "$tmp/some.c" 2>"$tmp/errors"; then
        skip "compiled with $flags" "$(head -n 1 "$tmp/errors")"
        continue
    fi
    report=$("$fuzz" "$tmp/some.so" 2>&1)
    is "compiled with $flags: checked" "$?" 0
    like "compiled with $flags: the linker's stubs at most are refused" "$report" ', [01] refused$'
    case $(uname -m)$flags in
    x86_64*function-entry=[58]* | x86_64*nop-mcount) like 'by their nops' "$report" '\(6 of nops\)' ;;
    *) like 'by their first instructions' "$report" '\(0 of nops\)' ;;
    esac
done
done_testing

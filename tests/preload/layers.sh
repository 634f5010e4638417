#!/usr/bin/env bash
# What each folder of src/ may include (the order of its files is tests/preload/order.sh's business),
# folders are one level deep (but for wrap/arch/<cpu>), examples use the installed headers alone, benchmarks the examples', too, and these headers
# include only standard ones and stand alone in each language they serve.
#
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

root=$(realpath "${srcdir:-.}")
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

# What each folder may include, itself aside.
core='base settings memory next thread route engine scope report process'
declare -A below=(
    [base]=''
    [arena]='base arenashim'
    [wrap]='base next/named_host.h arenashim'
    [watch]='base next/named_host.h next/allocator.h next/watch_host.h arenashim'
    [advise]='base watch/record.h arenashim'
    [reader]='base advise'
    [top]='base memory/pages.h thread/records.h arenashim'
    [gate]='base advise reader'
    [cli]='base settings advise reader top gate arenashim'
    [examples]=arenashim
    [bench]='examples arenashim'
)
for layer in $core; do
    [ "$layer" = base ] || below[$layer]="$core arenashim"
done

# includes FILE...: "FILE HEADER" of each include that is written in quotes or names a folder of the
# project in angle brackets.
includes() {
    awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]+/) {
        header = substr($0, RSTART, RLENGTH)
        quoted = header ~ /"/
        sub(/.*["<]/, "", header)
        if (quoted || header ~ /^(base|settings|memory|next|thread|route|engine|scope|report|process|arena|wrap|watch|advise|reader|top|gate|cli|arenashim|src|examples|bench)\// ||
            header ~ /\.\./)
            print FILENAME, header
    }' "$@" </dev/null
}

# violations ROOT: one line for each include that is not allowed, and each folder too deep
violations() (
    cd "$1" || exit
    find src -mindepth 2 -type d ! -name '.*' ! -path src/wrap/arch ! -path 'src/wrap/arch/[!/]*' \
        -printf 'too deep: %p\n'
    find src -mindepth 1 -maxdepth 1 -type d ! -name '.*' -printf '%f\n' | while read -r layer; do
        [ -n "${below[$layer]+known}" ] || echo "not a layer: src/$layer"
    done
    find src examples bench -name '*.c' -o -name '*.h' -o -name '*.cc' | sort | while read -r file; do
        includes "$file"
    done | while read -r file header; do
        layer=${file#src/}
        layer=${layer%%/*}
        target=${header%%/*}
        case $layer:$header in
        examples:* | bench:*)
            # Their own, from the root or beside the file, and the public headers.
            [ "$target" != arenashim ] || continue
            [[ $layer:$header != bench:examples/* || $header = *..* || ! -e $header ]] || continue
            [[ $target != "$layer" || $header = *..* || ! -e $header ]] || continue
            place=$(realpath -m --relative-to=. "$(dirname "$file")/$header")
            [[ $place != "$layer"/* || ! -e $place ]] || continue
            ;;
        *)
            [[ (" $layer ${below[$layer]-} " != *" $target "* && " ${below[$layer]-} " != *" $header "*) ||
                $header = *..* ]] ||
                [[ ! -e src/$header && ! -e include/$header ]] || continue
            ;;
        esac
        echo "$file includes $header"
    done
)

is 'includes stay within what a folder may use' "$(violations "$root")" ''
check 'there are includes to look at' test "$(includes "$root"/src/*/*.c | wc -l)" -gt 20

# The check itself: what it must refuse.
plant() {
    local file=$2 line=$3
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree"
    cp -r --no-preserve=mode "$root/src" "$root/include" "$root/examples" "$root/bench" "$tmp/tree"
    find "$tmp/tree" -name '.*' -mindepth 1 -prune -exec rm -rf {} +
    mkdir -p "$(dirname "$tmp/tree/$file")"
    printf '%s\n' "$line" >>"$tmp/tree/$file"
    is "refused: $1" "$(violations "$tmp/tree")" "$4"
}
plant 'wrap includes more of next' src/wrap/patch.c '#include "next/fixed.h"' \
    'src/wrap/patch.c includes next/fixed.h'
plant 'base includes settings' src/base/text.c '#include "settings/config.h"' \
    'src/base/text.c includes settings/config.h'
plant 'arena includes engine, in angle brackets' src/arena/arena.c '# include <engine/block.h>' \
    'src/arena/arena.c includes engine/block.h'
plant 'cli includes next' src/cli/run.c '#include "next/fixed.h"' \
    'src/cli/run.c includes next/fixed.h'
plant 'by a relative path' src/base/text.c '#include "../settings/config.h"' \
    'src/base/text.c includes ../settings/config.h'
plant 'examples include src' examples/kernels/decay.c '#include "../../src/base/text.h"' \
    'examples/kernels/decay.c includes ../../src/base/text.h'
plant 'examples include bench' examples/kernels/decay.c '#include "bench/sample.h"' \
    'examples/kernels/decay.c includes bench/sample.h'
plant 'bench includes src' bench/kernels.c '#include "src/base/text.h"' \
    'bench/kernels.c includes src/base/text.h'
plant 'a folder too deep' src/memory/linux/x.c '' 'too deep: src/memory/linux'
plant 'a folder that is no layer' src/util/x.c '' 'not a layer: src/util'

# ---- public headers ----------------------------------------------------------------------------

standard=' assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
 stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time
 uchar wchar wctype '
others=$(sed -n 's/^[ \t]*#[ \t]*include[ \t]*\(.*\)/\1/p' "$root"/include/arenashim/*.h | sort -u |
    while read -r header rest; do
        name=${header#<}
        name=${name%.h>}
        [[ ${standard//$'\n'/} = *" $name "* && $header = "<$name.h>" ]] || echo "$header $rest"
    done)
is 'public headers include standard headers alone' "$others" ''

for header in "$root"/include/arenashim/*.h; do
    name=$(basename "$header")
    for standard in c99 c11 gnu17 c++11 c++17; do
        case $standard in
        *++*) compiler=${CXX:-c++} language=c++ ;;
        *) compiler=${CC:-cc} language=c ;;
        esac
        # shellcheck disable=SC2086
        check "$name stands alone in $standard" ${compiler%% *} -x $language -std=$standard \
            -fsyntax-only -Wall -Wextra -Wshadow -pedantic -Werror -I"$root/include" - \
            <<<"#include <arenashim/$name>
#include <arenashim/$name>"
    done
done
# Marks stand in the source of others, who may forbid what C++ need not have.
# shellcheck disable=SC2086
check 'scope.h has no casts of C in C++' ${CXX:-c++} -x c++ -fsyntax-only -Wold-style-cast \
    -Wzero-as-null-pointer-constant -Werror -I"$root/include" - <<<'#include <arenashim/scope.h>'
done_testing

#!/usr/bin/env bash
# Makes what the programs of bench/plan.sh read: documents, records and sources, the same in each run
# but for the project's own pages, which are the text in them.
#
# usage: bench/programs/inputs.sh DIRECTORY
#
# What is there and was made by this script from these pages stays.
set -euo pipefail
export LC_ALL=C

DOCUMENTS=6000  # XML
RECORDS=200000  # JSON, 24 MB
PAGES=300       # times the project's pages, in Markdown
TABLES=2400     # in HTML, of 10 rows
KERNELS=25      # copies of a kernel in C
MESSAGES=3000   # of an interface
COLOURS=600     # of a style sheet

if [ $# -ne 1 ]; then
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
pages=("$root"/README.md "$root"/ARCHITECTURE.md "$root"/CONTRIBUTING.md "$root"/bench/README.md)
kernel=$root/examples/kernels/spread.c
made_of=$(cat "$0" "${pages[@]}" "$kernel" | cksum)
[ "$(cat "$1/made" 2>/dev/null)" != "$made_of" ] || exit 0
[ ! -e "$1" ] || [ -e "$1/made" ] || {
    printf 'inputs.sh: %s is there, and nothing that this script made\n' "$1" >&2
    exit 1
}
rm -rf "$1"
mkdir -p "$1/xml"
cd "$1"
: >made

# Numbers that look random, the same with each awk: Park and Miller's generator. word() is one of the
# pages' words.
random='
    function random(below) { seed = seed * 16807 % 2147483647; return seed % below }
    function word() { return words[1 + random(count)] }
    function text(length_,    line, i) {
        line = word()
        for (i = 1; i < length_; i++) line = line " " word()
        return line
    }
    BEGIN { seed = 1; while ((getline line <"words") > 0) words[++count] = line }'
make() {
    awk "${@:1:$#-1}" "$random BEGIN { ${!#} }"
}

for ((page = 0; page < PAGES; page++)); do
    cat "${pages[@]}"
done >pages.md
cat "${pages[@]}" | tr -cs 'A-Za-z' '\n' | grep -E '.{3,}' >words

make -v documents="$DOCUMENTS" '
    for (i = 1; i <= documents; i++) {
        file = sprintf("xml/%04d.xml", i)
        printf "<?xml version=\"1.0\"?>\n<order id=\"%d\" customer=\"%s\">\n", i, word() >file
        lines = 10 + random(20)
        for (j = 1; j <= lines; j++)
            printf "  <line number=\"%d\" quantity=\"%d\"><name>%s</name><note>%s &amp; %s</note></line>\n",
                j, 1 + random(9), word(), text(3 + random(9)), word() >file
        print "</order>" >file
        close(file)
    }'

make -v records="$RECORDS" '
    for (i = 1; i <= records; i++)
        printf "{\"id\":%d,\"name\":\"%s %d\",\"price\":%.2f,\"tags\":[\"%s\",\"%s\",\"%s\"],\"note\":\"%s\"}\n",
            i, word(), random(1000), random(100000) / 100, word(), word(), word(), text(4)' >records.json

make -v tables="$TABLES" '
    print "<!DOCTYPE html>\n<html>\n<head><title>Tables</title></head>\n<body>"
    for (i = 1; i <= tables; i++) {
        printf "<h2 id=\"t%d\">%s</h2>\n<p>%s <em>%s</em> <a href=\"#t%d\">%s</a>.</p>\n<table>\n", i,
            text(4), text(60), text(5), 1 + random(tables), text(3)
        for (j = 1; j <= 10; j++)
            printf "<tr><td>%d</td><td>%s</td><td><strong>%s</strong></td></tr>\n", j, text(3), word()
        print "</table>"
    }
    print "</body>\n</html>"' >tables.html

make -v messages="$MESSAGES" '
    print "syntax = \"proto3\";\npackage bench;"
    for (i = 1; i <= messages; i++) {
        printf "// %s.\nmessage Message%d {\n", text(12), i
        for (j = 1; j <= 8; j++) {
            type = j % 2 ? "int64" : "string"
            if (j > 6 && i > 1) type = "repeated Message" 1 + random(i - 1)
            printf "  %s %s_%d = %d;\n", type, tolower(word()), j, j
        }
        print "}"
    }' >interface.proto

# shellcheck disable=SC2016 # it is Sass that has these names
make -v colours="$COLOURS" '
    print "@mixin box($colour, $width) { border: $width solid darken($colour, 10%);" \
        " .title { color: lighten($colour, 20%); &:hover { width: calc(100% - #{$width}); } } }"
    for (i = 1; i <= colours; i++)
        printf "@for $i from 1 through 8 { .%s-%d-#{$i} { @include box(rgb(%d, %d, %d), $i * 1px); } }\n",
            word(), i, random(256), random(256), random(256)' >style.scss

# A kernel of the project many times, each with names of its own, as the compiler proper reads it.
! command -v gcc >/dev/null || {
    grep '^#include' "$kernel"
    for ((copy = 0; copy < KERNELS; copy++)); do
        sed -E "/^#include/d
            s/\b(reached|spreading|visited\w*|frontier\w*|bucket_of|FIRST_\w+|receive)\b/\1_$copy/g
            s/\b(fire\w*|advance|walk|most_activated|check|spread_activation)\b/\1_$copy/g" "$kernel"
    done
} | gcc -E -I "$root/include" -I "$root/examples/kernels" -o kernels.i -xc -

printf '%s\n' "$made_of" >made

#!/usr/bin/env bash
# The order of the files of src/, which the map in ARCHITECTURE.md lists, the lowest first: each file
# is in it and there, none is longer than a file is to be, an include and a call point to a file above
# it in the list alone, and src/local.mk names the shim's files in the same order. A header counts as
# its source. Calls are the symbols that the object files of this build leave open.
#
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

root=$(realpath "${srcdir:-.}")
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

LINES_MOST=420

# What these define has the C library's names: a call by such a name is the C library's.
PUBLIC='process/interpose process/interpose_cxx process/load process/find_object'

# mapped ROOT: the files of the map, in its order
mapped() {
    awk '/^    [a-z]+\/[a-z0-9_\/]+\.[chS]( |$)/ {
        print $1
        stem = $1
        sub(/\.[chS]$/, "", stem)
        for (i = 2; $i ~ /^\.[chS]$/; i++) print stem $i
    }' "$1/ARCHITECTURE.md"
}

# differences ROOT: files that are missing from the map or there no more, and those that are too long
differences() (
    cd "$1/src" || exit
    mapped .. | sort >"$tmp/mapped"
    find . -mindepth 2 -type f -name '[!.]*.[chS]' -printf '%P\n' | sort >"$tmp/present"
    uniq -d "$tmp/mapped" | sed 's/^/twice in the map: /'
    sort -u -o "$tmp/mapped" "$tmp/mapped"
    comm -13 "$tmp/mapped" "$tmp/present" | sed 's/^/not in the map: /'
    comm -23 "$tmp/mapped" "$tmp/present" | sed 's/^/not there: /'
    while read -r file; do
        [ "$(wc -l <"$file")" -le $LINES_MOST ] || echo "too long: $file"
    done <"$tmp/present"
)

# upward ROOT: reads lines of FROM TO WHAT, stems of files, and prints those that point upward.
upward() {
    { mapped "$1" | sed 's/^/+ /' && cat; } | awk '
        $1 == "+" { sub(/\.[chS]$/, "", $2); if (!($2 in place)) place[$2] = ++places; next }
        ($1 in place) && ($2 in place) && place[$1] < place[$2] { print $1, $3, $2 ($4 ? " (" $4 ")" : "") }
    ' | sort -u
}

# includes ROOT: FROM TO includes
includes() (
    cd "$1/src" || exit
    find . -name '[!.]*.[chS]' -exec awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]+/) {
        header = substr($0, RSTART, RLENGTH)
        sub(/.*["<]/, "", header)
        from = FILENAME
        sub(/\.[chS]$/, "", from)
        if (sub(/\.h$/, "", header) && header ~ /^[a-z]+\/[a-z0-9_\/]+$/) print from, header, "includes"
    }' {} + | sed 's/^\.\///'
)

# calls DIRECTORY...: FROM TO calls SYMBOL, of the object files below src/ in each; a symbol that two
# files define leads to both.
calls() {
    local directory
    for directory; do
        (cd "$directory/src" && find . -name '*.o' -printf '%P\n' | sort |
            xargs -r nm -A -g 2>/dev/null)
    done | awk -v public="$PUBLIC" '
        BEGIN { split(public, names); for (i in names) is_public[names[i]] }
        {
            from = $1
            sub(/:.*/, "", from)
            sub(/\.libs\//, "", from)
            sub(/\.o$/, "", from)
            sub(/\/[^\/]*-/, "/", from)
            kind = $(NF - 1)
            if (kind ~ /^[Uwv]$/) open[from " " $NF]
            else if (!(from in is_public)) defined[$NF] = defined[$NF] " " from
        }
        END {
            for (call in open) {
                split(call, part, " ")
                count = split(defined[part[2]], by, " ")
                for (i = 1; i <= count; i++)
                    if (by[i] != part[1]) print part[1], by[i], "calls", part[2]
            }
        }'
}

# sources ROOT: the units of src/libcore.la, in the order of src/local.mk
sources() {
    sed -n '/^src_libcore_la_SOURCES/,/[^\\]$/s/^\tsrc\/\([a-z_/]*\)\.[ch].*/\1/p' "$1/src/local.mk" | uniq
}

is 'the map and the files are the same' "$(differences "$root")" ''
includes "$root" >"$tmp/includes"
check 'there are includes to look at' test "$(wc -l <"$tmp/includes")" -gt 200
is 'includes point to files above' "$(upward "$root" <"$tmp/includes")" ''
is 'local.mk has the order of the map' "$(sources "$root")" \
    "$(mapped "$root" | sed 's/\.[chS]$//' | uniq | grep -Fx -f <(sources "$root"))"
calls . >"$tmp/calls"
if [ "$(wc -l <"$tmp/calls")" -lt 200 ]; then
    skip 'calls point to files above' 'the object files have no symbols that nm shows'
    done_testing
    exit
fi
is 'calls point to files above' "$(upward "$root" <"$tmp/calls")" ''

# ---- the check itself: what it must refuse -----------------------------------------------------

fresh() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree"
    cp -r --no-preserve=mode "$root/src" "$root/ARCHITECTURE.md" "$tmp/tree"
    find "$tmp/tree" -mindepth 1 -name '.*' -prune -exec rm -rf {} +
}

fresh
rm "$tmp/tree/src/base/parse.c"
is 'refused: a file that is not there' "$(differences "$tmp/tree")" 'not there: base/parse.c'
fresh
echo >"$tmp/tree/src/base/util.h"
is 'refused: a file that is not in the map' "$(differences "$tmp/tree")" 'not in the map: base/util.h'
fresh
grep '^    base/parse' "$root/ARCHITECTURE.md" >>"$tmp/tree/ARCHITECTURE.md"
is 'refused: a file twice in the map' "$(differences "$tmp/tree")" 'twice in the map: base/parse.c
twice in the map: base/parse.h'
fresh
yes '' | head -n $((LINES_MOST + 1)) >"$tmp/tree/src/memory/pages.c"
is 'refused: a file too long' "$(differences "$tmp/tree")" 'too long: memory/pages.c'

# include DESCRIPTION FILE LINE WANTED
include() {
    fresh
    echo "$3" >>"$tmp/tree/src/$2"
    is "refused: $1" "$(includes "$tmp/tree" | upward "$tmp/tree")" "$4"
}
include 'a lower folder includes a higher one' memory/region.c '#include "thread/gate.h"' \
    'memory/region includes thread/gate'
include 'a header includes one of its own folder, upward' engine/request.h '# include <engine/block.h>' \
    'engine/request includes engine/block'
include 'a source includes one of its own folder, upward' thread/sites.c '#include "thread/settle.h"' \
    'thread/sites includes thread/settle'

# call DESCRIPTION FROM SYMBOL WANTED: an object file more of FROM, which calls the function
call() {
    rm -rf "$tmp/build"
    mkdir -p "$tmp/build/src/${2%/*}"
    printf 'void %s(void);\nvoid planted(void);\nvoid planted(void)\n{\n    %s();\n}\n' "$3" "$3" |
        ${CC:-cc} -O2 -fno-builtin -w -xc -c - -o "$tmp/build/src/${2%/*}/planted-${2#*/}.o"
    is "refused: $1" "$(calls . "$tmp/build" | upward "$root")" "$4"
}
call 'a lower folder calls a higher one' memory/region thread_acquire \
    'memory/region calls thread/thread (thread_acquire)'
call 'a circle of two files of a folder' engine/retain_room retain_sweep \
    'engine/retain_room calls engine/retain_sweep (retain_sweep)'
call 'a call between programs' cli/cli run_command 'cli/cli calls cli/run (run_command)'
call 'thread exit reaches scopes by name' thread/thread scope_abandon \
    'thread/thread calls scope/close (scope_abandon)'
if compgen -G 'src/wrap/arch/*/.libs/thunk.o' >"$tmp/objects"; then
    call 'assembly is a file, too' wrap/patch wrap_thunk \
        "wrap/patch calls wrap/arch/$(uname -m)/thunk (wrap_thunk)"
else
    skip 'refused: assembly is a file, too' 'built without functions by name'
fi
done_testing

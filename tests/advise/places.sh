#!/usr/bin/env bash
# Functions, files and lines of places in code: with debug information, without, with it in a file of
# its own, of inlined functions, in C++; and the specs, which `arenashim scopes` must list as exactly
# that function.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

for tool in nm objdump objcopy strip; do
    have $tool || plan_skip "$tool is not installed"
done
places=$BUILDDIR/tests/advise/places

# offset SYMBOL [FILE]: of its first definition
offset() {
    nm "${2:-$tmp/placed}" | awk -v name="$1" '$3 == name { print "0x" $1; exit }'
}

short() {
    printf '0x%x' "$1"
}

# place FILE OFFSET: what `places function` prints, without the entry and the last word
place() {
    "$places" function "$1" "$2" | sed 's/^0x[0-9a-f]* //; s/ [a-z]*$//'
}

# lists DESCRIPTION FILE OFFSET: its spec is that of one function, which begins there
lists() {
    local spec
    spec=$("$places" function "$2" "$3" | awk '{ print $(NF - 1) }')
    capture "$arenashim" scopes --scope "$spec" -- "$2"
    by_name is "$1" "$(awk 'NR > 1 { print $3 }' <<<"$out")" "$(short "$3")"
}

need placed -O2 -g "${clang_flags[0]:--fno-ipa-sra}" placed.c placed_other.c
handle=$(offset placed_handle)
call=$(objdump -d --no-show-raw-insn "$tmp/placed" | awk '/<placed_handle>:$/ { inside = 1 }
    inside && found { sub(/:.*/, ""); print "0x" $1; exit }
    inside && /(callq?|bl)[ \t].*malloc/ { found = 1 }')

# ---- with debug information -------------------------------------------------------------------

is 'a function has its name, file and line' "$(place "$tmp/placed" "$handle")" \
    'placed_handle placed.c:22 placed!placed_handle'
lists 'and a spec by name' "$tmp/placed" "$handle"
is 'inlined functions stand before it' "$("$places" frames "$tmp/placed" "$handle" "$call")" \
    'inner placed.c:9
outer placed.c:14
placed_handle placed.c:24'
like 'a name that two functions have is no spec' "$(place "$tmp/placed" "$(offset twin)")" \
    '^twin placed(_other)?\.c:[0-9]+ placed!\+0x'
lists 'and the offset is one' "$tmp/placed" "$(offset twin)"
like 'the entry point starts the program' "$("$places" function "$tmp/placed" "$(offset _start)")" ' start$'

cold=$(offset placed_handle.cold)
if [ -n "$cold" ]; then
    is 'a part that was moved away belongs to its function' \
        "$("$places" function "$tmp/placed" "$cold" | awk '{ print $1, $2 }')" \
        "$(short "$handle") placed_handle"
    cp "$tmp/placed" "$tmp/bare"
    strip "$tmp/bare"
    like 'and is not called, as the unwind table knows' "$("$places" function "$tmp/bare" "$cold")" ' part$'
    like 'its function is' "$("$places" function "$tmp/bare" "$handle")" ' called$'
else
    skip 'a part that was moved away' 'this compiler moves none'
fi

# ---- stripped, and with a file of its own -----------------------------------------------------

cp "$tmp/placed" "$tmp/apart"
objcopy --only-keep-debug "$tmp/apart" "$tmp/elsewhere.dbg"
strip "$tmp/apart"
is 'a stripped function has its offset' "$(place "$tmp/apart" "$handle")" \
    "+$(short "$handle") -:0 apart!+$(short "$handle")"
lists 'which is its spec' "$tmp/apart" "$handle"
(cd "$tmp" && objcopy --add-gnu-debuglink=elsewhere.dbg apart)
is 'a separate debug file is found, whose names specs do not know' "$(place "$tmp/apart" "$handle")" \
    "placed_handle placed.c:22 apart!+$(short "$handle")"
is 'inlined functions come from there, too' \
    "$(DEBUGINFOD_URLS='http://localhost:1/' "$places" frames "$tmp/apart" "$handle" "$call" | head -n 1)" \
    'inner placed.c:9'
is 'nothing is known of a file that is not there' "$(place "$tmp/none" 0x10)" '+0x10 -:0 none!+0x10'
echo text >"$tmp/text"
is 'nor of one that is no object file' "$(place "$tmp/text" 0x10)" '+0x10 -:0 text!+0x10'
cp "$tmp/placed" "$tmp/odd!name;1"
is 'what would separate specs becomes a glob' "$(place "$tmp/odd!name;1" "$handle" | awk '{ print $3 }')" \
    'odd?name?1!placed_handle'
lists 'which means the file' "$tmp/odd!name;1" "$handle"

# ---- C++ --------------------------------------------------------------------------------------

need placed_cc -O2 -g placed.cc
text=$(nm "$tmp/placed_cc" | awk '/handler6handleEPKc$/ { print "0x" $1; exit }')
is 'a C++ name is demangled, and its spec is the symbol' "$(place "$tmp/placed_cc" "$text")" \
    'space::handler::handle(char const*) const placed.cc:10 placed_cc!_ZNK5space7handler6handleEPKc'
lists 'which is one of its overloads' "$tmp/placed_cc" "$text"
done_testing

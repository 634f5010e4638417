#!/usr/bin/env bash
# A library that begins scopes participates; one that the loader puts in its place after dlclose does
# not, whoever unloads it and whatever is open then. What the tables hold of a library goes with it.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need marked.so -O1 -fno-builtin -DMARKED -fPIC -shared unload.c
need bare.so -O1 -fno-builtin -DMARKED -fPIC -shared -nostartfiles unload.c
mkdir "$tmp/other"
need keeping.so -O1 -fno-builtin -DKEEPING -fPIC -shared unload.c
cp "$tmp/keeping.so" "$tmp/other/marked.so"
need closer.so -O1 -DCLOSER -fPIC -shared unload.c
need unload -O1 -fno-builtin unload.c

# is_kept DESCRIPTION: what the last run's second library keeps, which lies where the first one lay. False when it
# does not.
is_kept() {
    if [ "${out%%$'\n'*}" = elsewhere ]; then
        skip "$1" 'the loader chose other addresses'
        return 1
    fi
    is "$1: what the second library keeps is its own" "$out" precious
}

# exchanged DESCRIPTION CASE MARKED KEEPING [VARIABLE=VALUE...]
exchanged() {
    local description=$1 case=$2 marked=$tmp/$3 keeping=$tmp/$4
    shift 4
    under "$@" "$tmp/unload" "$case" "$marked" "$keeping" "$tmp/closer.so"
    ! is_kept "$description" || routed "$description"
}

# So that marks may nest in scopes that retain, which have more to put back at their end.
retaining=ARENASHIM_SCOPES='unload!no_such_function'
exchanged 'outside scopes' before marked.so keeping.so
exchanged 'in a scope' inside marked.so keeping.so
exchanged 'in a scope, by another thread' by_thread marked.so keeping.so
exchanged 'in a pause' in_a_pause marked.so keeping.so
exchanged 'in an inner scope' in_an_inner_scope marked.so keeping.so
exchanged 'by a library that calls the C library alone' by_a_library marked.so keeping.so
exchanged 'a library of the same name' inside marked.so other/marked.so
exchanged 'a library without start-up files' inside bare.so keeping.so
exchanged 'a library without start-up files, by another thread' by_thread bare.so keeping.so
exchanged 'in the scope of a thread' thread marked.so keeping.so \
    ARENASHIM_SCOPES=thread ARENASHIM_END=reset ARENASHIM_MODULES=+marked.so
if ! wraps || [ "$(uname -m)" != x86_64 ]; then
    skip 'a library of named functions, which is loaded again' 'built without functions by name, or not for x86-64'
else
    exchanged 'a library of named functions, which is loaded again' named_elsewhere marked.so keeping.so \
        ARENASHIM_SCOPES='reset:marked.so!call_*'
fi
capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" "$retaining" \
    "$tmp/unload" in_an_inner_scope "$tmp/marked.so" "$tmp/keeping.so" "$tmp/closer.so"
is_kept 'in an inner scope, where scopes may retain' || true

under "$tmp/unload" many "$tmp/marked.so" "$tmp/keeping.so" "$tmp/closer.so"
routed 'many loads'
stat_is 'many loads: every call is routed, by one site' \
    '"\(.routed_calls) \(.passed_in_scope.total) \([.sites[] | select(.label == "library") | .scopes])"' \
    '1502 0 [1500]'

mkdir "$tmp/crowd"
for i in {0..519}; do
    cp "$tmp/marked.so" "$tmp/crowd/$i.so"
done
under "$tmp/unload" crowd "$tmp/marked.so" "$tmp/keeping.so" "$tmp/crowd"
one_line 'more libraries at once than can take part: one line' \
    'calls of [0-9]+\.so are not routed, nor those of further modules: at most 512 '
# The program, the shim and the dynamic linker may take part, too.
stat_is 'more libraries at once than can take part: the others are routed' '.routed_calls > 500' true

for i in {0..519}; do
    cp "$tmp/keeping.so" "$tmp/crowd/$i.so"
done
under "$tmp/unload" strangers "$tmp/marked.so" "$tmp/keeping.so" "$tmp/crowd"
routed 'libraries of ever new names'
stat_is 'libraries of ever new names: those without one are counted together' \
    '.passed_in_scope.modules | map(select(.name | test("^([0-9]+[.]so|.further modules.)$"))) |
     "\(map(.calls) | add) \(map(select(.name == "(further modules)")) | length) \(length > 500)"' \
    '520 1 true'

under "$tmp/unload" crossing "$tmp/marked.so" "$tmp/keeping.so" "$tmp/closer.so"
routed 'threads come and go while libraries do'
stat_is 'threads come and go while libraries do: no call is lost' \
    '"\(.routed_calls - .scopes) \(.passed_in_scope.total) \(.misuses)"' '1 0 0'
done_testing

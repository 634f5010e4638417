#!/usr/bin/env bash
# The cases of keeps.sh under memcheck: nothing that a library keeps is read or written after its
# scope, and nothing leaks.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/keeps/common.sh"

tells_valgrind || plan_skip 'valgrind does not run here, or this is built without it'
checker=$source_dir/scripts/valgrind-check.sh
export ARENASHIM_SHIM=$shim VALGRIND_OPTS=--suppressions=$here/memcheck.supp
unset ARENASHIM_SHIM_PATH
# Read by capture.
# shellcheck disable=SC2034
limit=120

# checked [VARIABLE=VALUE] -- PROGRAM ARGUMENT...
checked() {
    local variables=()
    while [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    capture env "${variables[@]}" "$checker" "$tmp/$2" "${@:3}"
}

for program in "${programs[@]}"; do
    while read -ra group; do
        plain "$tmp/$program" "${group[@]}"
        checked -- "$program" "${group[@]}"
        same "$program, ${group[*]}: clean under memcheck"
        checked -- "$program" -t "${group[@]}"
        same "$program, ${group[*]}: clean with the scope in a thread"
    done < <(groups "$program")
done

# What it looks like when a library's memory does lie in the arena.
checked ARENASHIM_MODULES=all -- stdio strdup
is 'with all modules: found' "$status" 99
like 'with all modules: as a read of memory of the scope' "$err" '^Invalid read of size'
like 'with all modules: drawn by the library' "$err" 'strdup'
like 'with all modules: gone with the scope' "$err" 'arena_scope_end'
done_testing

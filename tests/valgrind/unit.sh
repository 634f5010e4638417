#!/usr/bin/env bash
# The unit tests under memcheck. They hold the allocator themselves, so the shim is not preloaded;
# they do not fork per test, so that memcheck sees all of them.
set -u
# shellcheck source=tests/tap.sh
. "${srcdir:-.}/tests/tap.sh"

[ -n "${VALGRIND-}" ] || plan_skip "valgrind is not installed"

# The programs may start the shim, which would name these as settings that it does not have.
unset ARENASHIM_SHIM_PATH ARENASHIM

# Long randomized tests run shorter here: memcheck is some 30 times slower.
export CK_FORK=no CK_TAP_LOG_FILE_NAME=/dev/null CK_VERBOSITY=silent CK_DEFAULT_TIMEOUT=600
export ARENA_MODEL_OPERATIONS=30000 SHIM_MODEL_OPERATIONS=20000
export WATCH_HEAP_OPERATIONS=1000 WATCH_PROVE_OPERATIONS=4000

found=0
for program in "$BUILDDIR"/tests/*/check_*; do
    case $program in
    *.*) continue ;;
    # It compares all registers, bit by bit.
    */check_thunk)
        skip 'tests/wrap/check_thunk under memcheck' "valgrind's floating-point registers have 64 bits"
        continue
        ;;
    esac
    [ -x "$program" ] || continue
    found=1
    check "${program#"$BUILDDIR"/} under memcheck" \
        timeout 600 "${srcdir:-.}/scripts/valgrind-check.sh" --no-shim "$program"
done
[ "$found" -eq 1 ] || plan_skip "the unit tests were not built (Check is missing)"
done_testing

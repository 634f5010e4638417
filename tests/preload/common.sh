# shellcheck shell=bash
# What the tests of the shim in real programs share; to be sourced. Each test compiles small
# programs into a directory of its own and runs them with the shim preloaded and the statistics
# written as JSON.
#
#   tmp, shim, arenashim, cc, cxx       where and with what
#   build NAME FLAG... SOURCE...        compiles and links $tmp/NAME; SOURCE without a directory
#                                       lies beside the script, .cc is C++. False when it fails.
#   need NAME FLAG... SOURCE...         the same; the script ends when it fails
#   capture COMMAND...                  sets status, out and err
#   under [VARIABLE=VALUE...] COMMAND.. capture with the shim preloaded; stats are in $tmp/stats
#   stat FILTER                         what the jq filter makes of them ("none" without a file)
#   routed DESCRIPTION                  the last run exited with 0, wrote nothing to stderr and had
#                                       routed calls
#   stat_is DESCRIPTION FILTER WANTED
#   one_line DESCRIPTION ERE            the last run's stderr is one line of the shim's that matches
#   have TOOL                           true when the tool is there
#   valgrind_runs                       true when Valgrind is there and knows the instructions of this
#                                       build (-march=native may take newer ones)
#   tells_valgrind                      true when the shim tells it of its blocks, too
#   wraps                               true when this build wraps functions by name
#   unless_unwrapped                    takes out of err what advise says in a build that does not
#   by_name TEST DESCRIPTION...         the test, or skipped in a build that does not
#   counts_lines                        true when the shim is that of the coverage build, which at exit
#                                       allocates, opens files and says which it cannot write

# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

source_dir=$(realpath "${srcdir:-.}")
here=$(dirname "$(realpath "${BASH_SOURCE[-1]}")")
shim=$(realpath "${ARENASHIM_SHIM_PATH:-.libs/libarenashim.so}")
cc=${CC:-cc}
cxx=${CXX:-c++}
# What GCC does by itself: calls of malloc stay, deletes know sizes, and what Valgrind 3.19 reads.
clang_flags=()
[[ $($cc --version 2>/dev/null) != *clang* ]] ||
    clang_flags=(-fno-builtin -fsized-deallocation -fdebug-default-version=4 -Wno-unknown-attributes
        -Wno-unused-command-line-argument -Wno-mismatched-new-delete)
unset LD_PRELOAD "${!ARENASHIM_@}" OMPI_COMM_WORLD_RANK PMIX_RANK PMI_RANK FLUX_TASK_RANK SLURM_PROCID

# Read by the scripts.
# shellcheck disable=SC2034
arenashim=$(realpath "${ARENASHIM:-./arenashim}") status=0 out='' err=''

have() {
    command -v "$1" >/dev/null 2>&1
}

valgrind_runs() {
    local ended=0
    have "${VALGRIND:-valgrind}" || return
    LD_PRELOAD=$shim "${VALGRIND:-valgrind}" -q --soname-synonyms=somalloc=nouserintercepts true \
        >/dev/null 2>&1 || ended=$?
    [ "$ended" -ne 132 ] # SIGILL
}

tells_valgrind() {
    valgrind_runs && grep -qx ac_cv_header_valgrind_memcheck_h=yes "${BUILDDIR:-.}/config.log"
}

wraps() {
    [ -f "${shim%/*}/libarenashim-wrap.so" ] || [ -f "${shim%/*}/arenashim/libarenashim-wrap.so" ]
}

unless_unwrapped() {
    wraps || err=$(grep -v '^arenashim: no function is wrapped: this libarenashim.so was built without that' <<<"$err")
}

by_name() {
    if wraps; then
        "$@"
    else
        skip "$2" 'built without functions by name'
    fi
}

counts_lines() {
    grep -q __gcov_exit "$shim"
}

have jq || plan_skip 'jq is not installed'
tmp=$(realpath "$(mktemp -d)") || exit 99
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

capture() {
    status=0
    if [ "$(type -t "$1")" = function ] && [ ! -x "${HOST_TOOLS-}/$1" ]; then
        "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
    else
        # How much longer programs take: where scripts/test-in.sh runs them by an emulator, and for another reason.
        "${HOST_TOOLS:+$HOST_TOOLS/}timeout" -k 5 $((${limit:-30} * ${EMULATED:-${SLOWER:-1}})) "$@" \
            >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
    fi
    out=$(tr -d '\0' <"$tmp/out")
    err=$(<"$tmp/err")
    # An emulator says which signal ends its program.
    [ -z "${EMULATED-}" ] || err=$(grep -v '^qemu: uncaught target signal' <<<"$err")
}

build() {
    local name=$1 argument compiler=$cc
    local arguments=()
    shift
    for argument; do
        case $argument in
        -*) ;;
        *.cc) compiler=$cxx ;;&
        *.c | *.cc) [[ $argument = */* ]] || argument=$here/$argument ;;
        esac
        arguments+=("$argument")
    done
    # CC may hold options, as make allows. Before glibc 2.34 dlopen and timers lie in libraries
    # of their own.
    # A test's limit is for what it tests, not for a compiler on a machine with other work.
    # shellcheck disable=SC2086
    limit=300 capture $compiler "${clang_flags[@]}" -I"$source_dir/include" -I"$source_dir/tests/preload" \
        -pthread -o "$tmp/$name" "${arguments[@]}" -ldl -lrt
    [ "$status" -eq 0 ] && [ -z "$err" ]
}

need() {
    build "$@" && return
    not_ok "$1 compiles" "$err"
    done_testing
}

# `behind` holds libraries preloaded behind the shim. `env` and `timeout` run without.
under() {
    rm -f "$tmp/stats"
    capture env LD_PRELOAD="$shim${behind:+ $behind}" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "$@"
}

stat() {
    if [ -s "$tmp/stats" ]; then
        jq -r "$1" "$tmp/stats"
    else
        echo none
    fi
}

last_run() {
    printf 'status %s\nstdout: %s\nstderr: %s\n' "$status" "${out:0:2000}" "${err:0:2000}"
    [ ! -s "$tmp/stats" ] || head -c 3000 "$tmp/stats"
}

routed() {
    local calls
    calls=$(stat .routed_calls)
    if [ "$status" -eq 0 ] && [ -z "$err" ] && [ "$calls" != none ] && [ "$calls" -gt 0 ]; then
        ok "$1"
    else
        not_ok "$1" "$(last_run)"
    fi
}

stat_is() {
    local got
    got=$(stat "$2")
    if [ "$got" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "$2 is $got, wanted $3
$(last_run)"
    fi
}

one_line() {
    if [ -n "$err" ] && [[ $err != *$'\n'* ]] && [[ $err =~ ^arenashim:\ .*$2 ]]; then
        ok "$1"
    else
        not_ok "$1" "wanted one line 'arenashim: ... $2'
$(last_run)"
    fi
}

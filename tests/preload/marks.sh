#!/usr/bin/env bash
# The marks of scope.h in every kind of object file, language standard, compiler and optimization
# level that they promise to serve: compiled without a warning, counted exactly under the shim (so
# that a mark that silently does nothing is noticed), unchanged without it.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

warnings=(-Wall -Wextra -Wshadow -pedantic -Werror)

# Object flags and link flags per kind. A position-dependent object resolves weak symbols at link
# time, and so do some linkers in others; position-independent ones may end up in either kind of
# executable. `hidden` is what some projects say of all that they include.
declare -A object=(
    [pie]=-fPIE [library]=-fPIC [no-pie]=-fno-pie [pic-in-no-pie]=-fPIC
    [static]=-fno-pie [static-pie]=-fPIE
    [hidden]='-fPIE -DHIDDEN' [mold]=-fPIE [lld]=-fPIE [gold]=-fPIE [weak-at-link]=-fPIE [lto]=-flto
)
declare -A link=(
    [pie]=-pie [library]=-pie [no-pie]=-no-pie [pic-in-no-pie]=-no-pie
    [static]=-static [static-pie]=-static-pie
    [hidden]=-pie [mold]='-pie -fuse-ld=mold' [lld]='-pie -fuse-ld=lld' [gold]='-pie -fuse-ld=gold'
    [weak-at-link]='-pie -Wl,-z,nodynamic-undefined-weak' [lto]='-fPIE -pie'
)

# ---- compiling, two at a time ------------------------------------------------------------------

# One per program: NUMBER COMPILER SOURCE KIND STANDARD LEVEL
programs=()

# compile NUMBER COMPILER SOURCE KIND STANDARD LEVEL: makes $tmp/marks.NUMBER, for a library also
# $tmp/libmarks.NUMBER.so, and $tmp/log.NUMBER, which is empty when all is well.
compile() {
    local number=$1 compiler=$2 source=$3 kind=$4 language=c
    [ "$source" = marks.c ] || language=c++
    local program=$tmp/marks.$number library=$tmp/libmarks.$number.so
    local flags=(-I"$source_dir/include" "-std=$5" "$6" "${warnings[@]}") kinds
    read -ra kinds <<<"${object[$kind]} ${link[$kind]}"
    if [ "$kind" = library ]; then
        "$compiler" "${flags[@]}" -fPIC -shared -o "$library" "$here/$source" &&
            "$compiler" "${flags[@]}" -fPIE -pie -o "$program" -x "$language" \
                "$here/marks_main.c" -x none "$library" -Wl,--no-as-needed -ldl
    else
        "$compiler" "${flags[@]}" "${kinds[@]}" -o "$program" \
            -x "$language" "$here/$source" "$here/marks_main.c" -Wl,--no-as-needed -ldl
    fi >"$tmp/log.$number" 2>&1 || echo "failed" >>"$tmp/log.$number"
}

jobs=0
add() {
    programs+=("${#programs[@]} $*")
    if [ "$jobs" -eq 2 ]; then
        wait -n
    else
        jobs=$((jobs + 1))
    fi
    compile "$((${#programs[@]} - 1))" "$@" &
}

# add_all COMPILER SOURCE STANDARD...
add_all() {
    local compiler=$1 source=$2 kind standard level
    shift 2
    if ! have "$compiler"; then
        skip "$source with $compiler" "$compiler is not installed"
        return
    fi
    for kind in pie library no-pie static; do
        for standard; do
            for level in -O0 -O2; do
                add "$compiler" "$source" "$kind" "$standard" "$level"
            done
        done
    done
    # What these add concerns the linker alone.
    add "$compiler" "$source" pic-in-no-pie "$standard" -O2
    add "$compiler" "$source" static-pie "$standard" -O2
    add "$compiler" "$source" hidden "$standard" -O2
    if [ "$(uname -m)" = x86_64 ]; then
        add "$compiler" "$source" weak-at-link "$standard" -O2
    else
        skip "$source with $compiler, weak-at-link" 'the linker has the option for x86-64'
    fi
    # Debian 11 has clang without its linker's plugin.
    if echo 'int main(void) { return 0; }' | "$compiler" -flto -xc -o "$tmp/probe" - 2>/dev/null; then
        add "$compiler" "$source" lto "$standard" -O2
    else
        skip "$source with $compiler, lto" 'its linker knows none'
    fi
    for kind in mold lld gold; do
        if have "ld.$kind"; then
            add "$compiler" "$source" "$kind" "$standard" -O2
        else
            skip "$source with $compiler, linked by $kind" "$kind is not installed"
        fi
    done
}

# ---- running -----------------------------------------------------------------------------------

# table SOURCE: label, file and line of each mark in front of what the program printed for it.
table() {
    awk -v file="$1" '
        NR == FNR {
            for (rest = $0; match(rest, /"[^"]*"/); rest = substr(rest, RSTART + RLENGTH)) {
                label = substr(rest, RSTART + 1, RLENGTH - 2)
                if (!(label in line))
                    line[label] = FNR
            }
            next
        }
        {
            label = $0
            sub(/^[0-9]+ [0-9]+ /, "", label)
            print (label == "" ? " :0" : label " " file ":" line[label]), $1, $2
        }' "$1" "$tmp/out" | sort
}

# Everything about a run in one jq call.
sites='(.sites | map("\(.label) \(.file):\(.line) \(.scopes) \(.routed_calls)") | sort[]),
       "total \(.scopes) \(.routed_calls)", "left open \(.left_open), misuses \(.misuses)"'

# runs NAME SOURCE PROGRAM LONGJMPS: with the shim the sites are those that the program prints,
# every scope is closed (but for one by longjmp), and nothing is said.
runs() {
    local name=$1 source=$2 program=$3 longjmps=$4 wanted got
    under "$program" 1 "$longjmps"
    wanted="$(table "$here/$source")
$(awk '{ scopes += $1; calls += $2 } END { print "total", scopes, calls }' "$tmp/out")
left open $longjmps, misuses 0"
    got=$(stat "$sites")
    if [ "$status:$err" = 0: ] && [[ $wanted =~ total\ [0-9]+\ [1-9] ]] && [ "$got" = "$wanted" ]; then
        ok "$name"
    else
        not_ok "$name" "$(last_run)
the sites should be
$wanted
and are
$got"
    fi
}

# A static program does not see the preload: it runs as without.
runs_static() {
    under "$2" 0 "$3"
    is "$1" "$status:$err:$(stat .pid)" 0::none
}

# try NUMBER COMPILER SOURCE KIND STANDARD LEVEL
try() {
    local program=$tmp/marks.$1 name="$2 $3 $4 $5 $6" log longjmps way plain
    log=$(<"$tmp/log.$1")
    is "$name compiles without a warning" "$log" ''
    [ -z "$log" ] || return
    for longjmps in 0 1; do
        way=exits
        [ "$longjmps" -eq 0 ] || way=longjmp
        capture "$program" 0 "$longjmps"
        plain=$out
        is "$name, $way: runs without the shim" "$status:$err" 0:
        case $4 in
        static*) runs_static "$name, $way: static, so without the shim" "$program" "$longjmps" ;;
        *) runs "$name, $way: exact statistics" "$3" "$program" "$longjmps" ;;
        esac
        is "$name, $way: the same output" "$out" "$plain"
    done
}

# Options in CC may not go with another standard; its first word is the compiler.
for compiler in "${cc%% *}" clang; do
    add_all "$compiler" marks.c c99 c11 gnu17
done
for compiler in "${cxx%% *}" clang++; do
    add_all "$compiler" marks.cc c++11 c++17
done
wait
for program in "${programs[@]}"; do
    # Words without spaces.
    # shellcheck disable=SC2086
    try $program
done

# Else a linker drops the library that has it, before glibc 2.34.
cat >"$tmp/own.c" <<'END'
#define _GNU_SOURCE
#include <arenashim/scope.h>
#include <dlfcn.h>

int main(void)
{
    ARENA_SCOPE_PAUSED
    {
    }
    return dlsym(RTLD_DEFAULT, "malloc") == (void *)0;
}
END
for kind in pie no-pie; do
    need own "${object[$kind]}" "${link[$kind]}" -Wl,--as-needed "$tmp/own.c"
    like "a program's own call of dlsym, $kind, is not weak" "$(nm -D "$tmp/own")" ' U dlsym(@|$)'
    capture "$tmp/own"
    is "a program's own call of dlsym, $kind, succeeds" "$status" 0
done
done_testing

#!/usr/bin/env bash
# Every exported allocation function and every operator new and delete, called by real programs in
# a scope and out of one: origin, alignment, contents, overlap, usable size, impossible requests.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# each LANGUAGE PROGRAM [VARIABLE=VALUE...]: all its cases
each() {
    local language=$1 program=$2 name
    shift 2
    for name in $("$tmp/$program"); do
        case $name in
        new_handler_case) under "$@" ARENASHIM_OVERFLOW=error "$tmp/$program" "$name" ;;
        *) under "$@" "$tmp/$program" "$name" ;;
        esac
        routed "$language${*:+ $*}: $name"
        stat_is "$language${*:+ $*}: $name: nothing is misuse" '"\(.misuses) \(.left_open)"' '0 0'
    done
}

# Compilers know these functions and warn of impossible sizes.
quiet=(-Wno-alloc-size-larger-than -Wno-unknown-warning-option)
need c -O2 "${quiet[@]}" entry_points.c
need cxx -std=c++17 -O2 "${quiet[@]}" entry_points.cc
each C c
each C++ cxx

# An arena too small for most blocks: the same rules hold in its grown part and for blocks of the
# next allocator.
each C c ARENASHIM_CAPACITY=16K
each C++ cxx ARENASHIM_ALIGN=64

# Operators that somebody else has replaced, in front of the run-time library's.
need libnew.so -std=c++17 -O2 -fPIC -shared new_lib.cc
need replaced -std=c++17 -O2 "${quiet[@]}" entry_points.cc "$tmp/libnew.so" -Wl,-rpath,"$tmp"
each 'C++ with replaced operators' replaced

# A C++ plug-in of a C program, whose run-time library is not in the global scope; and a program that
# brings the operators along.
need plugin.so -std=c++17 -O2 "${quiet[@]}" -fPIC -shared -Dmain=plugin_main entry_points.cc
need plugin-host -O2 "-DPLUGIN=\"$tmp/plugin.so\"" plugin_host.c -ldl
each 'C++ in a plug-in' plugin-host
if build static-cxx -std=c++17 -O2 "${quiet[@]}" -static-libstdc++ -static-libgcc entry_points.cc; then
    # The run-time library is part of the program's module, and so are its exceptions.
    for name in operators_in_scope operators_out_of_scope operators_across containers; do
        under "$tmp/static-cxx" "$name"
        routed "C++ with a static run-time library: $name"
    done
else
    skip 'C++ with a static run-time library' 'libstdc++.a is not installed'
fi
if build libcxx -stdlib=libc++ -std=c++17 -O2 entry_points.cc; then
    each 'C++ with libc++' libcxx
else
    skip 'C++ with libc++' "$cxx does not take -stdlib=libc++"
fi

# With nobody to throw what C++ wants thrown.
echo 'void *_Znwm(unsigned long); int main(void) { return _Znwm(-1ul) != 0; }' >"$tmp/bare.c"
need bare -O2 "$tmp/bare.c" "$shim"
under "$tmp/bare"
is 'operator new in C fails: the program ends' "$status" 134
one_line 'operator new in C fails: one line' 'out of memory in operator new, and no C\+\+ runtime'

# All of them are one symbol each, so that none is served by the library behind the shim.
need no-builtin -O0 -fno-builtin entry_points.c
under "$tmp/no-builtin" blocks_in_scope
routed 'C, unoptimized: blocks_in_scope'
done_testing

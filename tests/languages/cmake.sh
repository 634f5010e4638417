#!/usr/bin/env bash
# What is installed for other projects is found by CMake and by pkg-config, wherever the tree is put:
# the programs of examples/consumer, built against it.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

export limit=120
builddir=$(realpath "${BUILDDIR:-.}")
examples=$source_dir/examples/consumer

# The settings of the make that runs the tests are not for those that they run.
unset MAKEFLAGS MAKELEVEL MFLAGS

stage=$tmp/stage
capture make -s -C "$builddir" install DESTDIR="$stage"
is 'make install into a stage' "$status" 0
[ "$status" -eq 0 ] || done_testing

if have pkg-config; then
    PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name arenashim.pc)")
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR=$stage
    is 'pkg-config: marks need nothing to be linked' "$(pkg-config --libs arenashim-marks)" ''
    like 'pkg-config: one that needs both' "$(pkg-config --cflags --libs arenashim)" '-larena.*-pthread'
    cp -r --no-preserve=mode "$examples" "$tmp/made"
    capture make -s -C "$tmp/made" CC="$cc" CXX="$cxx"
    is 'pkg-config: builds' "$status:$err" 0:
    for program in marks guards; do
        under "$tmp/made/$program"
        routed "pkg-config: $program"
    done
    capture "$tmp/made/arena"
    is 'pkg-config: arena' "$status:$out" '0:3.5 332833.5, refused: 1'
else
    skip 'pkg-config' 'pkg-config is not installed'
fi

# From here on it lies where no build knows of. (A path with a space could not be preloaded.)
mv "$stage" "$tmp/moved"
config=$(dirname "$(find "$tmp/moved" -name arenashim-config.cmake)")
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR

if have cmake; then
    capture cmake -S "$examples" -B "$tmp/project" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_COMPILER="${cc%% *}" -DCMAKE_CXX_COMPILER="${cxx%% *}" -Darenashim_DIR="$config"
    is 'cmake: found' "$status:$err" 0:
    capture cmake --build "$tmp/project"
    is 'cmake: builds' "$status:$err" 0:
    capture cmake -E chdir "$tmp/project" ctest
    like 'cmake: the programs run, with the shim, too' "$out" '100% tests passed, 0 tests failed out of 5'

    printf '%s\n' 'cmake_minimum_required(VERSION 3.13...3.19)' 'project(wrong NONE)' \
        "find_package(arenashim \${WANTED} REQUIRED)" >"$tmp/CMakeLists.txt"
    # answers DESCRIPTION WANTED STATUS ERE
    answers() {
        capture cmake -S "$tmp" -B "$tmp/wanted" -Darenashim_DIR="$config" -DWANTED="$2"
        is "cmake: $1" "$status" "$3"
        like '... and why' "$err" "$4"
    }
    answers 'the same major version' 0 0 ''
    answers 'an earlier patch' 0.1.0 0 ''
    answers 'a later version' 0.2 1 'compatible with requested version "0.2"'
    answers 'a later patch' 0.1.99 1 'compatible with requested version "0.1.99"'
    answers 'another major version' 1.0 1 'compatible with requested version "1.0"'
    if [[ $(cmake --version) =~ \ 3\.(19|[2-9][0-9])|\ [4-9] ]]; then
        answers 'a range' 0.0.1...0.5 0 ''
        answers 'a range up to the version' 0...0.1.0 0 ''
        answers 'a range below it' '0...<0.1.0' 1 'compatible with requested version range'
        answers 'a range above it' 0.2...1 1 'compatible with requested version range'
    else
        skip 'ranges of versions' 'CMake knows them since 3.19'
    fi
    answers 'an unknown component' '0.1;COMPONENTS;arenas' 1 'arenas is no component'
else
    skip 'cmake' 'cmake is not installed'
fi
done_testing

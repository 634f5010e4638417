#!/usr/bin/env bash
# The shared library as the dynamic linker sees it: exactly the promised symbols (one more could
# hijack a function of the program, one less mixes two allocators), unversioned (a version node
# interposes nothing), no dependency but the C library, nothing writable and executable, little
# static thread-local storage (dlopen has little in reserve), and no call of what it interposes.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have readelf || plan_skip 'readelf is not installed'

# Not every C library has _Fork.
wanted=$(sort "$here/exports.expected")
if ! echo 'int _Fork(void); int main(void) { return _Fork(); }' | ${CC:-cc} -xc - -o "$tmp/fork" 2>/dev/null; then
    wanted=$(grep -v '^_Fork$' <<<"$wanted")
fi
is 'exported symbols' "$(${NM:-nm} -D --defined-only "$shim" | awk '{ print $NF }' | sort)" "$wanted"
is 'all are functions, none weak, but for the records that readers look for' \
    "$(${NM:-nm} -D --defined-only "$shim" | awk '$2 != "T" { print $2, $3 }')" 'D arenashim_records'
unlike 'no symbol version is defined' "$(readelf -VW "$shim")" '^Version definition section'

dynamic=$(readelf -dW "$shim")
is 'needs the C library alone (and its loader, and its parts before glibc 2.34)' \
    "$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" | grep -Ev '^(ld-linux|lib(dl|pthread)\.so)')" libc.so.6
like 'soname without a version' "$dynamic" '\(SONAME\).*\[libarenashim\.so\]'
unlike 'no run path' "$dynamic" '\((RPATH|RUNPATH)\)'
like 'bound at load time' "$dynamic" '\(FLAGS_1\).*NOW'
like 'stays when closed: memory of it may be alive' "$dynamic" '\(FLAGS_1\).*NODELETE'
unlike 'no text relocations' "$dynamic" '\(TEXTREL\)'
unlike 'not initialized first: the environment is not there yet' "$dynamic" 'INITFIRST'

segments=$(readelf -lW "$shim")
like 'relocations become read-only' "$segments" '^ *GNU_RELRO '
unlike 'no segment is writable and executable' "$segments" '^ *(LOAD|GNU_STACK) .* RWE '
like 'the stack is not executable' "$segments" '^ *GNU_STACK .* RW '
tls=$(awk '$1 == "TLS" { print $6 }' <<<"$segments")
check "thread-local storage ($tls) is at most 128 bytes" test "$((tls))" -gt 0 -a "$((tls))" -le 128
unlike 'thread-local storage takes no call' "$(${NM:-nm} -D "$shim")" '__tls_get_addr'

undefined=$(${NM:-nm} -D --undefined-only "$shim" | awk '{ sub(/@.*/, "", $NF); print $NF }')
is 'calls nothing that it interposes' \
    "$(sort <<<"$undefined" | comm -12 - <(sort "$here/exports.expected"))" ''
unlike 'calls nothing that locks or allocates' "$undefined" \
    '^(f?printf|fputs|puts|fopen|fwrite|.*asprintf|str(n)?dup|pthread_mutex_lock|__cxa_(at|thread_at)?exit.*|getline)$'
done_testing

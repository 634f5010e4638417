# Bindings of other languages, build systems, and what C++ makes of marks.
TESTS += \
	tests/languages/cmake.sh \
	tests/languages/coroutines.sh \
	tests/languages/fortran.sh \
	tests/languages/python.sh
# Other languages' linkers do not know the library that counts lines.
if !COVERAGE
TESTS += tests/languages/rust.sh tests/languages/zig.sh
endif

EXTRA_DIST += \
	tests/languages/cmake.sh \
	tests/languages/coroutines.cc \
	tests/languages/coroutines.sh \
	tests/languages/fortran.f90 \
	tests/languages/fortran.sh \
	tests/languages/python.py \
	tests/languages/python.sh \
	tests/languages/rust.sh \
	tests/languages/zig.sh \
	tests/languages/zig.zig

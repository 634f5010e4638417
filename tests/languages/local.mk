# Bindings of other languages, build systems, and what C++ makes of marks.
TESTS += \
	tests/languages/cmake.sh

EXTRA_DIST += \
	tests/languages/cmake.sh

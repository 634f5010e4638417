# Bindings of other languages, build systems, and what C++ makes of marks.
TESTS += \
	tests/languages/cmake.sh \
	tests/languages/coroutines.sh

EXTRA_DIST += \
	tests/languages/cmake.sh \
	tests/languages/coroutines.cc \
	tests/languages/coroutines.sh

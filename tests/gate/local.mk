TESTS += tests/gate/budget.sh tests/gate/formats.sh
EXTRA_DIST += tests/gate/budget.sh tests/gate/budget.c tests/gate/formats.sh

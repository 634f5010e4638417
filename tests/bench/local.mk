# That the benchmark suite records, judges and draws what is measured. No time decides here.
TESTS += tests/bench/record.sh
EXTRA_DIST += tests/bench/record.sh tests/bench/overlap.c

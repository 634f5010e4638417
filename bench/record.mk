# The run of everything that is measured. BENCH_FLAGS are options of bench/run.sh, for instance
# BENCH_FLAGS='--only hot'.
bench: all
	$(srcdir)/bench/run.sh $(BENCH_FLAGS) .
bench-quick: all
	$(srcdir)/bench/run.sh --quick $(BENCH_FLAGS) .
bench-check: all
	$(srcdir)/bench/check.sh .

EXTRA_DIST += \
	bench/check.sh \
	bench/counts.sh \
	bench/limits.json \
	bench/plot \
	bench/plot.jq \
	bench/record.jq \
	bench/rows.jq \
	bench/run.sh \
	bench/statistics.jq \
	bench/table.jq \
	bench/results/2026-11-24.json \
	bench/results/2026-11-24.md \
	bench/results/2026-11-28.json \
	bench/results/2026-11-28.md \
	bench/pictures/hot-paths.png \
	bench/pictures/kernels-p99.png \
	bench/pictures/kernels.png \
	bench/pictures/memory-peak.png \
	bench/pictures/memory-retained.png \
	bench/pictures/programs-peak.png \
	bench/pictures/programs.png \
	bench/pictures/scope-paths.png \
	bench/pictures/scope.png \
	bench/pictures/share.png \
	bench/pictures/sizes.png \
	bench/pictures/threads.png

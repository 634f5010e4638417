TESTS += tests/reader/report.sh tests/reader/diff.sh tests/reader/run.sh tests/reader/page.sh
EXTRA_DIST += tests/reader/report.sh tests/reader/diff.sh tests/reader/run.sh tests/reader/page.sh tests/reader/sites.jq tests/reader/page.png

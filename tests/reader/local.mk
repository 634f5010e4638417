TESTS += tests/reader/report.sh tests/reader/diff.sh tests/reader/run.sh tests/reader/page.sh tests/reader/look.sh
EXTRA_DIST += tests/reader/report.sh tests/reader/diff.sh tests/reader/run.sh tests/reader/page.sh tests/reader/sites.jq \
	tests/reader/look.sh tests/reader/look.js tests/reader/look.png tests/reader/layout.js tests/reader/browser.sh tests/reader/page.png

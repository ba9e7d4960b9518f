#!/usr/bin/env bash
# Sets up and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup.sh

readonly usage='Usage: ./test.sh [--quick] [--install]

Runs every test, in at most ten minutes on two idle cores. The tests need PostgreSQL, pgbouncer and, for the admin page, Chromium or
Chrome. Scenarios (process failures, the browser, publishing) print their name when they start. At the end come the ten slowest tests and the
failed tests with their messages; the last line is "N passed, N failed, N skipped". The exit code is not 0 if a test failed or none ran. With
ChartPublisher=true the tests cover the published Helm chart too, which needs the package Aspire.Hosting.Kubernetes.

  --quick     skip the scenarios: at most four minutes
  --install   install what is missing with apt-get
  --help      print this text'

quick=false install=false
parse_options "$@"

require_sdk
require_postgres "the tests need PostgreSQL's programs: install them"
require_pgbouncer "the poolers' tests need pgbouncer: install it"
$quick || require_browser "the admin page's tests need Chromium or Chrome: install it"

dotnet build UserSvc.Tests --nologo --verbosity quiet

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
exit_code=0
# Two tests per core, because many wait for processes.
command=(dotnet run --project UserSvc.Tests --no-build -- -noLogo -noColor -maxThreads 2x)
if $quick; then command+=(-trait- Kind=Scenario); fi
# Tests send SIGINT, which programs ignore if a script started this one in the background.
if env --default-signal=INT true 2>/dev/null; then command=(env --default-signal=INT "${command[@]}"); fi
"${command[@]}" -result-xml "$results/tests.xml" 2>&1 | tee -i "$results/log" || exit_code=1

echo "The ten slowest tests, in seconds:"
{ grep -o '<test [^>]*' "$results/tests.xml" || true; } | sed 's/.* name="\([^"]*\)".* time="\([^"]*\)".*/\2 \1/; s/\\\?&quot;/"/g' | sort -rn | sed -n 1,10p
# Repeats each failure's name and the first lines of its message: few people read a log from the top.
awk '/ \[FAIL\]$|^ *\[.*Cleanup Failure/ { sub(/^ */, "Failed: "); left = 12 } /^ *Stack Trace:$/ { left = 0 } left > 0 { print; left-- }' "$results/log"

# "   UserSvc.Tests  Total: 12, Errors: 0, Failed: 0, Skipped: 0, Not Run: 0, Time: 1.234s". Errors are failures outside a test, such as in a fixture.
count() { sed -n "s/^   UserSvc\.Tests  Total: .*$1: \([0-9]*\),.*/\1/p; s/^   UserSvc\.Tests  $1: \([0-9]*\),.*/\1/p" "$results/log" | tail -n 1 | grep . || echo 0; }

failed=$(($(count Failed) + $(count Errors)))
passed=$(($(count Total) - $(count Failed) - $(count Skipped) - $(count 'Not Run')))
((passed > 0 && failed == 0)) || exit_code=1
echo "$passed passed, $failed failed, $(count Skipped) skipped"
exit "$exit_code"

#!/usr/bin/env bash
# Sets up and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup.sh

usage() {
  cat <<'EOF'
Usage: ./test.sh [--quick] [--install]

Runs every test: at most ten minutes on two quiet cores. They need PostgreSQL's programs, and Chromium for the admin page. Scenarios (process
faults, the browser, publishing) print their name when they start. At the end come the ten slowest tests and the failed ones with their messages; the last line is
"N passed, N failed, N skipped". The exit code is not 0 when a test failed or none ran. With ChartPublisher=true the published Helm chart is
tested too, which needs the package Aspire.Hosting.Kubernetes.

  --quick     skip the scenarios: at most four minutes
  --install   install by apt-get what is missing
  --help      this text
EOF
}

install=false
quick=false
for option; do
  case $option in
    --quick) quick=true ;;
    --install) install=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$option'" ;;
  esac
done

require_sdk
if ! has_postgres; then
  may_install || fail "the tests need PostgreSQL's programs: install them ($(install_hint postgresql postgresql@17 postgresql-server))"
  install_postgres
fi
if ! $quick && ! has_browser; then
  may_install || fail "the admin page's tests need Chromium or Chrome: install it ($(install_hint chromium '--cask google-chrome' chromium))"
  install_browser
fi

dotnet build UserSvc.Tests --nologo --verbosity quiet

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
exit_code=0
selection=()
if $quick; then selection=(-trait- Kind=Scenario); fi
# Tests send SIGINT, which programs ignore if a script started this one in its background.
default_signals=()
if env --default-signal=INT true 2>/dev/null; then default_signals=(env --default-signal=INT); fi
# Two tests per core: many of them wait for processes.
${default_signals[@]+"${default_signals[@]}"} dotnet run --project UserSvc.Tests --no-build -- -noLogo -noColor -maxThreads 2x ${selection[@]+"${selection[@]}"} \
  -result-xml "$results/tests.xml" 2>&1 | tee -i "$results/log" || exit_code=1

echo "The ten slowest tests, in seconds:"
{ grep -o '<test [^>]*' "$results/tests.xml" || true; } | sed 's/.* name="\([^"]*\)".* time="\([^"]*\)".*/\2 \1/; s/\\\?&quot;/"/g' | sort -rn | sed -n 1,10p
# A failure's name and the first lines of its message, here too: few read a log from its top.
awk '/ \[FAIL\]$|^ *\[.*Cleanup Failure/ { sub(/^ */, "Failed: "); left = 12 } /^ *Stack Trace:$/ { left = 0 } left > 0 { print; left-- }' "$results/log"

# "   UserSvc.Tests  Total: 12, Errors: 0, Failed: 0, Skipped: 0, Not Run: 0, Time: 1.234s"; errors are failures outside a test, such as in a fixture.
count() { sed -n "s/^   UserSvc\.Tests  Total: .*$1: \([0-9]*\),.*/\1/p; s/^   UserSvc\.Tests  $1: \([0-9]*\),.*/\1/p" "$results/log" | tail -n 1 | grep . || echo 0; }

failed=$(($(count Failed) + $(count Errors)))
passed=$(($(count Total) - $(count Failed) - $(count Skipped) - $(count 'Not Run')))
((passed > 0 && failed == 0)) || exit_code=1
echo "$passed passed, $failed failed, $(count Skipped) skipped"
exit "$exit_code"

#!/usr/bin/env bash
# Sets up and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup.sh

usage() {
  cat <<'EOF'
Usage: ./test.sh [--install]

Runs every test. They need PostgreSQL's programs, and Chromium for the admin page. The last line is "N passed, N failed, N skipped"; the
exit code is not 0 when a test failed or none ran. With ChartPublisher=true the published Helm chart is tested too, which needs the
package Aspire.Hosting.Kubernetes.

  --install   install by apt-get what is missing
  --help      this text
EOF
}

install=false
for option; do
  case $option in
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
if ! has_browser; then
  may_install || fail "the admin page's tests need Chromium or Chrome: install it ($(install_hint chromium '--cask google-chrome' chromium))"
  install_browser
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
exit_code=0
# Tests send SIGINT, which programs ignore if a script started this one in its background.
default_signals=()
if env --default-signal=INT true 2>/dev/null; then default_signals=(env --default-signal=INT); fi
${default_signals[@]+"${default_signals[@]}"} dotnet test --project UserSvc.Tests 2>&1 | tee "$log" || exit_code=1

# The summary's lines are "  total: 12", "  failed: 0", "  succeeded: 12", "  skipped: 0".
count() { sed -n "s/^  $1: \([0-9]*\)\$/\1/p" "$log" | tail -n 1 | grep . || echo 0; }

passed=$(count succeeded)
((passed > 0)) || exit_code=1
echo "$passed passed, $(count failed) failed, $(count skipped) skipped"
exit "$exit_code"

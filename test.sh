#!/usr/bin/env bash
# Sets up and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
Usage: ./test.sh [--install]

Sets up as ./up.sh does, PostgreSQL included, looks for the Chromium that the admin page is tested in, and runs every test: the whole
suite as the package feed allows, and where it has Aspire's packages the launcher's own tests without them too. The last line is
"N passed, N failed, N skipped"; the exit code is not 0 when a test failed or none ran.

  --install   install by apt-get what is missing: PostgreSQL when no container runtime is there either, and Chromium
  --help      this text
EOF
}

fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

setup=(--setup) install=false
for option in "$@"; do
  case $option in
    --install) setup+=(--install) install=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; echo "test.sh: unknown option '$option'" >&2; exit 1 ;;
  esac
done

passed=0 failed=0 skipped=0 exit_code=0

run() { # dotnet test's options
  local log count
  log=$(mktemp)
  dotnet test "$@" 2>&1 | tee "$log" || exit_code=1
  for count in passed:succeeded failed:failed skipped:skipped; do
    # The summary's lines are "  total: 12", "  failed: 0", "  succeeded: 12", "  skipped: 0".
    printf -v "${count%%:*}" %d "$((${count%%:*} + $(sed -n "s/^  ${count##*:}: \([0-9]*\)\$/\1/p" "$log" | tail -n 1 | grep . || echo 0)))"
  done
  rm -f "$log"
}

# The same programs as UserSvc.Tests/Edge/Admin/Browser.cs.
has_browser() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'; do
    command -v "$program" >/dev/null && return 0
  done
  return 1
}

# As up.sh has it for PostgreSQL. A font too: a system without any shows no text.
require_browser() {
  if has_browser; then
    return
  fi
  local command='apt-get install chromium' as_root=()
  if command -v apt-get >/dev/null && { $install || { ((EUID == 0)) && [[ ! -t 0 ]]; }; }; then
    ((EUID == 0)) || as_root=(sudo)
    echo 'test.sh: installing Chromium by apt-get'
    ${as_root[@]+"${as_root[@]}"} sh -c 'apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core' \
      >.local/apt.log 2>&1 </dev/null || { tail -n 20 .local/apt.log >&2; fail 'Chromium cannot be installed, for the reasons above'; }
    has_browser || fail 'Chromium was installed, but is not where it is looked for'
    return
  fi
  command -v apt-get >/dev/null || case $(uname -s) in
    Darwin) command='brew install --cask google-chrome' ;;
    *) command='dnf install chromium, or what your system calls Chromium' ;;
  esac
  fail "the admin page's tests need Chromium or Chrome: install it ($command$(command -v apt-get >/dev/null && echo ', or ./test.sh --install'))"
}

./up.sh "${setup[@]}"
require_browser
# Debug, where up.sh builds Release: the tests do not change the programs under a running system.
run --project UserSvc.Tests
if grep -qs '<AspirePackages>true<' .local/feed.props; then
  # Folders of its own: the two modes would undo each other's restore and build.
  AspirePackages=false run --project UserSvc.Tests --artifacts-path .local/artifacts/standalone --filter-namespace UserSvc.Tests.AppHost.Standalone
fi

((passed > 0)) || exit_code=1
echo "$passed passed, $failed failed, $skipped skipped"
exit "$exit_code"

#!/usr/bin/env bash
# Sets up and runs every test. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
  cat <<'EOF'
Usage: ./test.sh [--install]

Sets up as ./up.sh does, PostgreSQL included, and runs every test: the whole suite as the package feed allows, and where it has
Aspire's packages the launcher's own tests without them too. The last line is "N passed, N failed, N skipped"; the exit code is not 0
when a test failed or none ran.

  --install   install PostgreSQL by apt-get when neither it nor a container runtime is there
  --help      this text
EOF
}

setup=(--setup)
for option in "$@"; do
  case $option in
    --install) setup+=(--install) ;;
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

./up.sh "${setup[@]}"
# Debug, where up.sh builds Release: the tests do not change the programs under a running system.
run --project UserSvc.Tests
if grep -qs '<AspirePackages>true<' .local/feed.props; then
  # Folders of its own: the two modes would undo each other's restore and build.
  AspirePackages=false run --project UserSvc.Tests --artifacts-path .local/artifacts/standalone --filter-namespace UserSvc.Tests.AppHost.Standalone
fi

((passed > 0)) || exit_code=1
echo "$passed passed, $failed failed, $skipped skipped"
exit "$exit_code"

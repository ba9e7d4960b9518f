#!/usr/bin/env bash
# Generates deploy/aspirate/base from aspire-manifest.json. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly version=9.1.0
readonly source=https://github.com/prom3theu5/aspirational-manifests
readonly base=deploy/aspirate/base tools=.local/aspirate/$version

usage() {
  cat <<EOF
Usage: deploy/aspirate/generate.sh [--check]

Regenerates $base from aspire-manifest.json with aspirate $version. Installs aspirate as a dotnet tool in $tools;
if that fails, uses the one on PATH. The result holds no secrets, because every parameter gets a placeholder.

  --check   change nothing; show how the committed base differs and exit with 1 if it does
  --help    this text
EOF
}

fail() { printf 'generate.sh: %s\n' "$*" >&2; exit 1; }

check=false
for option in "$@"; do
  case $option in
    --check) check=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$option'" ;;
  esac
done

command -v dotnet >/dev/null || fail 'dotnet is missing: install the .NET SDK 10 from https://dotnet.microsoft.com/download'

mkdir -p "$tools"
if [[ -x $tools/aspirate ]] || dotnet tool install aspirate --version "$version" --tool-path "$tools" >"$tools/install.log" 2>&1; then
  aspirate=$tools/aspirate
elif aspirate=$(command -v aspirate); then
  echo "generate.sh: could not install aspirate $version (see $tools/install.log); using $aspirate"
else
  fail "could not install aspirate $version (see $tools/install.log), and it is not on PATH: build it from $source"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# aspirate fails when its check for a newer version cannot reach nuget.org. This file turns the check off:
# https://github.com/prom3theu5/aspirational-manifests/issues/278
mkdir -p "$work/data/Aspirate"
touch "$work/data/Aspirate/updates-disabled"

# aspirate targets .NET 9, whose runtime may be missing.
XDG_DATA_HOME=$work/data DOTNET_ROLL_FORWARD=Major "$aspirate" generate --non-interactive --disable-state --disable-secrets --skip-build \
  --aspire-manifest aspire-manifest.json --output-format kustomize --output-path "$work/base" --image-pull-policy IfNotPresent --include-dashboard false \
  --parameter admin-key=replaced-by-the-overlay --parameter postgres-password=replaced-by-the-overlay >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; fail 'aspirate failed; the reasons are above'; }
[[ -f $work/base/kustomization.yaml ]] || { cat "$work/log" >&2; fail 'aspirate wrote no kustomization.yaml'; }

if $check; then
  diff -ru "$base" "$work/base" || fail "$base does not match aspire-manifest.json: run deploy/aspirate/generate.sh"
  echo "generate.sh: $base is up to date"
else
  rm -rf "$base"
  cp -R "$work/base" "$base"
  echo "generate.sh: wrote $base"
fi

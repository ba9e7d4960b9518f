#!/usr/bin/env bash
# Writes deploy/aspirate/base from aspire-manifest.json. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly version=9.1.0
readonly source=https://github.com/prom3theu5/aspirational-manifests
readonly base=deploy/aspirate/base tools=.local/aspirate/$version

usage() {
  cat <<EOF
Usage: deploy/aspirate/generate.sh [--check]

Generates $base anew from aspire-manifest.json with aspirate $version, as a dotnet tool in $tools where it can be restored, or else
the one on PATH. No secret goes into it: every parameter has a placeholder.

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

command -v dotnet >/dev/null || fail 'needs dotnet'

mkdir -p "$tools"
if [[ -x $tools/aspirate ]] || dotnet tool install aspirate --version "$version" --tool-path "$tools" >"$tools/install.log" 2>&1; then
  aspirate=$tools/aspirate
elif aspirate=$(command -v aspirate); then
  echo "generate.sh: aspirate $version cannot be restored (see $tools/install.log); using $aspirate"
else
  fail "aspirate $version cannot be restored (see $tools/install.log), and there is none on PATH. Its source is $source"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Its check for a newer version ends it where nuget.org is out of reach, and this file turns that off:
# https://github.com/prom3theu5/aspirational-manifests/issues/278
mkdir -p "$work/data/Aspirate"
touch "$work/data/Aspirate/updates-disabled"

# It is built for .NET 9, whose runtime need not be there.
XDG_DATA_HOME=$work/data DOTNET_ROLL_FORWARD=Major "$aspirate" generate --non-interactive --disable-state --disable-secrets --skip-build \
  --aspire-manifest aspire-manifest.json --output-format kustomize --output-path "$work/base" --image-pull-policy IfNotPresent --include-dashboard false \
  --parameter admin-key=replaced-by-the-overlay --parameter postgres-password=replaced-by-the-overlay >"$work/log" 2>&1 ||
  { cat "$work/log" >&2; fail "aspirate failed, for the reasons above"; }
[[ -f $work/base/kustomization.yaml ]] || { cat "$work/log" >&2; fail 'aspirate wrote no kustomization.yaml'; }

if $check; then
  diff -ru "$base" "$work/base" || fail "$base is not what aspire-manifest.json gives: run deploy/aspirate/generate.sh"
  echo "generate.sh: $base is up to date"
else
  rm -rf "$base"
  cp -R "$work/base" "$base"
  echo "generate.sh: wrote $base"
fi

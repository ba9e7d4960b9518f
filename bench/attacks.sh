#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/attacks.sh [options]

Attacks the edge as shipped, over https where the attack is one on TLS or HTTP/2, from 50 addresses of the loopback network, and measures
what a quiet client with an address of its own sees meanwhile, and whether everything is as before afterwards; then attacks HAProxy. Writes
bench/results/attacks.md. Takes about 25 minutes; see bench/README.md.

  --attacks LIST  only these, separated by commas, named as in the table; writes no results
  --seconds N     how long each attack lasts (default 30)
  --quick         3 s each, as a smoke test; writes no results
  --help          print this text"

attacks='' seconds='' quick=false
parse_options "$@"
if $quick; then : "${seconds:=3}"; fi
: "${seconds:=30}"

PATH=$PATH:/usr/sbin
need haproxy haproxy
need dotnet dotnet-sdk-10.0
unset "${!OTEL_@}"

dotnet build "$bench/Attacks" -c Release --nologo -v quiet
report="$work/attacks.md"
{
    echo "# Under attack"
    echo
    echo "$(nproc) cores shared by attackers, a quiet client, edge, three instances and PostgreSQL; $(haproxy -v | sed -n 's/^HAProxy version \([^ ]*\).*/HAProxy \1/p'), $(dotnet --version | sed 's/^/.NET SDK /'). Each attack lasts $seconds s. The quiet client sends 50 GETs a second and waits 5 s for an answer; times are in ms. Memory is the proxy's, resident, in MB. Log lines are those of edge and instances, without the audit log. Written by bench/attacks.sh."
    echo
    echo "| attack | on | connections | requests or frames | quiet GETs | failed | p50, p99 before | meanwhile | p99 × | memory before, after | as before | log lines a second | ejections |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    dotnet run --project "$bench/Attacks" -c Release --no-build -- "$seconds" "$attacks"
} >"$report"
cat "$report"
$quick || [[ -n $attacks ]] || keep_results "$report"

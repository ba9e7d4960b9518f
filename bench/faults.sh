#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/faults.sh [options]

Measures what clients see while a part of the system fails, behind the edge as shipped and behind HAProxy with the same health checks,
timeouts and retries, in turn. The faults and the load are those of the chaos tests. Then measures how long a failover of PostgreSQL
takes. Writes bench/results/faults.md. Takes about ten minutes a round; see bench/README.md.

  --rounds N   rounds of each fault behind each proxy (default 1)
  --reads N    minimum GETs per fault (default 20000)
  --quick      1 round of 2000 GETs, as a smoke test; writes no results
  --help       print this text"

rounds=1 reads='' quick=false
parse_options "$@"
if $quick; then : "${reads:=2000}"; fi
: "${reads:=20000}"

PATH=$PATH:/usr/sbin
need haproxy haproxy
need dotnet dotnet-sdk-10.0
unset "${!OTEL_@}"

dotnet build "$bench/FaultLoad" -c Release --nologo -v quiet
report="$work/faults.md"
{
    echo "# Under faults"
    echo
    echo "$(nproc) cores shared by clients, proxy, three instances and PostgreSQL; $(haproxy -v | sed -n 's/^HAProxy version \([^ ]*\).*/HAProxy \1/p'), $(dotnet --version | sed 's/^/.NET SDK /'); rounds: $rounds, medians, failures summed."
    echo
    dotnet run --project "$bench/FaultLoad" -c Release --no-build -- "$rounds" "$reads"
} >"$report"
cat "$report"
$quick || keep_results "$report"

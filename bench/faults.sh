#!/usr/bin/env bash
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bench/faults.sh [--rounds N] [--reads N] [--quick] [--help]

Measures what clients see while a part of the system fails, behind this project's edge, as shipped, and behind HAProxy with the same health
checks, in turn: the scenarios of the chaos tests, under the same load. Then how long a failover of PostgreSQL takes. Writes
bench/results/faults.md. About ten minutes a round; see bench/README.md.

  --rounds N   rounds of each fault behind each proxy (default 1)
  --reads N    minimum GETs per fault (default 20000)
  --quick      1 round of 2000, to see that it runs; writes no results
  --help       this text
TEXT
}

rounds=1 reads=20000 quick=false
while (($#)); do
    case $1 in
        --rounds) rounds=${2:?--rounds needs a number}; shift 2 ;;
        --reads) reads=${2:?--reads needs a number}; shift 2 ;;
        --quick) rounds=1 reads=2000 quick=true; shift ;;
        --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
done

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
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
$quick || cp "$report" "$bench/results/faults.md"

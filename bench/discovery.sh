#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/discovery.sh [options]

Measures how soon the edge routes by a change of a Kubernetes Service's EndpointSlices, and what changes cost it, against a fake API on
loopback. Writes bench/results/discovery.md. Takes about four minutes; see bench/README.md.

  --changes N   measured changes at each size (default 300)
  --seconds N   how long to measure CPU, without changes and with ten a second (default 20)
  --quick       30 changes and 3 s, as a smoke test; writes no results
  --help        print this text"

changes='' seconds='' quick=false
parse_options "$@"
if $quick; then : "${changes:=30}" "${seconds:=3}"; fi
: "${changes:=300}" "${seconds:=20}"

need curl curl
need dotnet dotnet-sdk-10.0

echo "Building..."
for project in UserSvc.Edge bench/DiscoveryLoad; do publish "$project"; done
export DOTNET_ENVIRONMENT=Production ASPNETCORE_ENVIRONMENT=Production Drain__Time=00:00:00
unset "${!OTEL_@}"

# load ARGUMENT...: runs DiscoveryLoad and keeps its line in $figures.
load() { figures=$("$work/bin/DiscoveryLoad/DiscoveryLoad" "$@" 2>"$work/load.log") || { cat "$work/load.log" >&2; fail "DiscoveryLoad failed"; }; }

# cost ENDPOINTS: the same against an edge in its own process.
cost() {
    local api health
    api=$(free_port)
    health=http://127.0.0.1:$(free_port)
    # Without probes: the endpoints do not exist, and probing them would be most of the work.
    start edge env --chdir="$work/bin/UserSvc.Edge" Kestrel__Endpoints__Http__Url="http://127.0.0.1:$(free_port)" Kestrel__Endpoints__Health__Url="$health" \
        Kestrel__Endpoints__Admin__Url=http://127.0.0.1:0 \
        ReverseProxy__Clusters__usersvc__HealthCheck__Active__Enabled=false \
        ReverseProxy__Clusters__usersvc__Destinations__all__Address=k8s+http://usersvc/http \
        Edge__Discovery__Kubernetes__ApiServer="http://127.0.0.1:$api" Edge__Discovery__Kubernetes__Namespace=users ./UserSvc.Edge
    wait_http "$health/alive" edge "$pid"
    load cost "$1" "$seconds" "$api" "$health" "$pid"
    kill -TERM "$pid"
    wait "$pid" || true
    unset 'pids[-1]'
}

report="$work/discovery.md"
{
    echo "# Discovery: from an EndpointSlice's change to routing"
    echo
    echo "$changes changes at each size, each replacing one pod, 30 to 100 ms apart. The time is from before the API sends a change until the edge's cluster has the new pod,"
    echo "checked every millisecond; the edge gathers changes for 20 ms of it. CPU is that of an edge in its own process, in % of a core, over"
    echo "$seconds s, without probes. On $(nproc) cores that also ran the API and other work (load average at the start: $(cut -d' ' -f1 /proc/loadavg)). Written by bench/discovery.sh."
    echo
    echo "| endpoints | p50 ms | p99 ms | longest ms | CPU without changes | CPU with ten changes a second | resident MB |"
    echo "| --- | --- | --- | --- | --- | --- | --- |"
    for endpoints in 3 100 1000; do
        echo "Measuring $endpoints endpoints..." >&2
        load latency "$endpoints" "$changes"
        read -r p50 p99 longest <<<"$figures"
        cost "$endpoints"
        read -r idle busy resident <<<"$figures"
        echo "| $endpoints | $p50 | $p99 | $longest | $idle% | $busy% | $resident |"
    done
} >"$report"

cat "$report"
$quick || keep_results "$report"

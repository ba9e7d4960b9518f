#!/usr/bin/env bash
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bench/discovery.sh [--changes N] [--seconds N] [--quick] [--help]

Measures how soon a change of a Kubernetes Service's EndpointSlices is routed by, and what it costs the edge, against an API of its
own on loopback; writes bench/results/discovery.md. About four minutes; see bench/README.md.

  --changes N   measured changes at each size (default 300)
  --seconds N   how long CPU is measured, without changes and with ten a second (default 20)
  --quick       30 changes and 3 s, to see that it runs; writes nothing
  --help        this text
TEXT
}

changes=300 seconds=20 quick=false
while (($#)); do
    case $1 in
        --changes) changes=${2:?--changes needs a number}; shift 2 ;;
        --seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
        --quick) changes=30 seconds=3 quick=true; shift ;;
        --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
done

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need curl curl
need dotnet dotnet-sdk-10.0

echo "Building..."
for project in UserSvc.Edge bench/DiscoveryLoad; do publish "$project"; done
export DOTNET_ENVIRONMENT=Production ASPNETCORE_ENVIRONMENT=Production Drain__Time=00:00:00
unset "${!OTEL_@}"

# load ARGUMENT...: DiscoveryLoad's line into $figures.
load() { figures=$("$work/bin/DiscoveryLoad/DiscoveryLoad" "$@" 2>"$work/load.log") || { cat "$work/load.log" >&2; die "DiscoveryLoad failed"; }; }

# cost ENDPOINTS: the same, of an edge in a process of its own.
cost() {
    local api health
    api=$(free_port)
    health=http://127.0.0.1:$(free_port)
    # The endpoints are made up: probing them would be most of the work.
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
    echo "$changes changes at each size, one pod in the place of another, 30 to 100 ms apart, from before the API sends one until the edge's cluster has the new pod,"
    echo "looked at every millisecond; 20 ms of it are the time in which the edge gathers changes. CPU of an edge in a process of its own, in % of a core, over"
    echo "$seconds s, without probes. On $(nproc) cores that also carried the API and others' work (load average at the start: $(cut -d' ' -f1 /proc/loadavg)). Written by bench/discovery.sh."
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
if ! $quick; then
    mkdir -p "$bench/results"
    cp "$report" "$bench/results/"
    echo "Written to bench/results/discovery.md."
fi

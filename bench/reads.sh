#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/reads.sh [options]

Measures GET /user/{name} on this machine against pgbench and a plain variant, in turn, and writes bench/results/reads.md and reads.svg.
Takes about half an hour; see bench/README.md.

  --rounds N    measured rounds of each variant, after one to warm up (default 7)
  --seconds N   length of a round (default 10)
  --quick       2 rounds of 2 s, as a smoke test; writes no results
  --help        print this text"

rounds='' seconds='' quick=false
parse_options "$@"
if $quick; then : "${rounds:=2}" "${seconds:=2}"; fi
: "${rounds:=7}" "${seconds:=10}"

need wrk wrk
need pgbench postgresql
need psql postgresql-client
need curl curl
need dotnet dotnet-sdk-10.0

echo "Building..."
for project in UserSvc.Api UserSvc.Edge bench/PlainReads bench/OtlpReceiver; do publish "$project"; done

start_postgres
export DOTNET_ENVIRONMENT=Production ASPNETCORE_ENVIRONMENT=Production Drain__Time=00:00:00
unset "${!OTEL_@}"

declare -A process url
# serve NAME PROJECT SETTING...: starts a service on a free port; settings are environment variables.
serve() {
    local name=$1 project=$2
    url[$name]=http://127.0.0.1:$(free_port)
    start "$name" env --chdir="$work/bin/$project" Kestrel__Endpoints__Http__Url="${url[$name]}" Instance__Name="$name" "${@:3}" "./$project"
    process[$name]=$pid
}

serve receiver OtlpReceiver
wait_http "${url[receiver]}/" receiver "$pid"
telemetry=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT="${url[receiver]}")

# The first instance creates the schema.
serve api0 UserSvc.Api
wait_http "${url[api0]}/health" api0 "$pid"
# Six-digit names, which pgbench can generate.
psql -q users <<'SQL'
INSERT INTO users (uuid, username, fullname, password_hash)
SELECT gen_random_uuid(), n, 'User Number ' || n, '$argon2id$v=19$m=19456,t=2,p=1$' || repeat('x', 66) FROM generate_series(100000, 199999) n;
VACUUM ANALYZE users;
SQL

echo "Starting..."
# Time until GET /health answers 200, over five starts; the last instance stays.
for ((i = 0; i < 5; i++)); do
    if [[ ${process[api]:-} ]]; then kill -TERM "${process[api]}"; wait "${process[api]}" || true; unset 'pids[-1]'; fi
    from=${EPOCHREALTIME/./}
    serve api UserSvc.Api "${telemetry[@]}"
    wait_http "${url[api]}/health" api "$pid"
    echo $(((${EPOCHREALTIME/./} - from) / 1000)) >>"$work/ready"
done
ready=$(sort -n "$work/ready" | sed -n 3p)
serve plain0 PlainReads
serve plain PlainReads "${telemetry[@]}"
edge_health=http://127.0.0.1:$(free_port)
serve edge UserSvc.Edge "${telemetry[@]}" ReverseProxy__Clusters__usersvc__Destinations__1__Address="${url[api]}" \
    Kestrel__Endpoints__Health__Url="$edge_health" Kestrel__Endpoints__Admin__Url=http://127.0.0.1:0
wait_http "$edge_health/ready" edge "$pid"

cat >"$work/select.sql" <<'SQL'
\set name random(100000, 199999)
SELECT uuid, username, fullname, version FROM users WHERE username = :name;
SQL

# Each sets $requests, $duration, $p50 and $p99 (times in microseconds) and $errors.
run_pgbench() {
    local out
    out=$(cd "$work" && pgbench -M prepared -n -f select.sql -j 1 -c "$1" -T "$seconds" --log --log-prefix=latency --sampling-rate=0.05 users 2>&1) || fail "pgbench failed: $out"
    read -r requests duration < <(awk '/actually processed/ { n = $NF } /^tps/ { tps = $3 } END { printf "%d %d\n", n, n / tps * 1e6 }' <<<"$out")
    read -r p50 p99 < <(cut -d' ' -f3 "$work"/latency.* | percentiles)
    rm "$work"/latency.*
    errors=0
}

run_wrk() {
    local out
    out=$(wrk -t1 -c"$1" -d"${seconds}s" -s "$bench/reads.lua" "${url[$2]}") || fail "wrk failed: $out"
    read -r _ requests duration p50 p99 errors < <(grep ^figures <<<"$out")
    ((errors == 0)) || fail "$errors of $requests requests failed: $(tail "$work/$2.log")"
}

# The variants, in the order of a round.
best=
run() {
    case $1 in
        a) run_pgbench 64 ;;
        a-best) run_pgbench "$best" ;;
        b) run_wrk 64 api ;;
        b0) run_wrk 64 api0 ;;
        c) run_wrk 64 edge ;;
        d) run_wrk 64 plain ;;
        d0) run_wrk 64 plain0 ;;
        b0-one) run_wrk 1 api0 ;;
        d0-one) run_wrk 1 plain0 ;;
    esac
}
variants=(a a-best b b0 c d d0 b0-one d0-one)
declare -A service=([b]=api [b0]=api0 [c]=api [d]=plain [d0]=plain0 [b0-one]=api0 [d0-one]=plain0)

# CPU time so far of each process, the load generators and the whole machine.
usage_now() {
    local name
    for name in api api0 plain plain0 edge receiver; do cpu "${process[$name]}"; done
    cpu_postgres
    cpu_ended
    cpu_machine
}

# measure VARIANT FILE: appends variant, requests/s, p50, p99, CPU of service, edge, PostgreSQL and receiver (in microseconds a request), and
# the CPU that everything else used, in % of a core.
measure() {
    local before after
    before=$(usage_now)
    run "$1"
    after=$(usage_now)
    paste <(echo "$before") <(echo "$after") | awk -v OFS='\t' -v variant="$1" -v n="$requests" -v us="$duration" -v p50="$p50" -v p99="$p99" '
        { used[NR] = $2 - $1 }
        END {
            others = used[9]; for (i = 1; i <= 8; i++) others -= used[i]
            printf "%s\t%.0f\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.2f\t%.0f\n", variant, n / us * 1e6, p50, p99,
                (used[1] + used[2] + used[3] + used[4]) / n, used[5] / n, used[7] / n, used[6] / n, others / us * 100
        }' >>"$2"
}

echo "Looking for pgbench's best client count..."
for ((round = 0; round < 2; round++)); do
    for clients in 4 8 16 32; do best=$clients; measure a-best "$work/search-$clients"; done
done
best=$(for clients in 4 8 16 32; do echo "$(median "$work/search-$clients" a-best 2) $clients"; done | sort -n | tail -n 1 | cut -d' ' -f2)

for ((round = 0; round <= rounds; round++)); do
    ((round == 0)) && echo "Warming up..." || echo "Round $round of $rounds..."
    for variant in "${variants[@]}"; do
        if ((round == 0)); then measure "$variant" "$work/warm-up"; else measure "$variant" "$work/rounds"; fi
    done
done

# --- the report ------------------------------------------------------------------------------------------------------------
declare -A title=(
    [a]="pgbench, prepared, 64 clients" [a-best]="pgbench, prepared, $best clients, its best" [b]="one instance, telemetry as shipped"
    [b0]="one instance, no telemetry" [c]="the same through the edge, telemetry as shipped" [d]="plain variant, telemetry as shipped"
    [d0]="plain variant, no telemetry" [b0-one]="one instance, no telemetry, 1 connection" [d0-one]="plain variant, no telemetry, 1 connection"
)
report="$work/reads.md"
value() { median "$work/rounds" "$1" "$2"; }
ratio() { awk -v x="$(value "$1" 2)" -v y="$(value "$2" 2)" 'BEGIN { printf "%.2f", x / y }'; }

{
    echo "# Reads: GET /user/{name}, random names out of 100,000"
    echo
    echo "Medians of $rounds rounds of $seconds s each, taken in turn, on $(nproc) shared cores that also ran the load generator; the range of the"
    echo "rounds is in brackets. Written by bench/reads.sh."
    echo
    echo "| | requests/s | p50 ms | p99 ms | CPU µs a request: service | edge | PostgreSQL | receiver |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for variant in "${variants[@]}"; do
        awk -v key="$variant" -v title="${title[$variant]}" -v rps="$(value "$variant" 2)" -v range="$(range "$work/rounds" "$variant" 2)" \
            -v p50="$(value "$variant" 3)" -v p99="$(value "$variant" 4)" -v own="$(value "$variant" 5)" -v edge="$(value "$variant" 6)" \
            -v pg="$(value "$variant" 7)" -v receiver="$(value "$variant" 8)" \
            'BEGIN { printf "| %s: %s | %.0f (%s) | %.2f | %.2f | %.1f | %.1f | %.1f | %.2f |\n", key, title, rps, range, p50 / 1000, p99 / 1000, own, edge, pg, receiver }'
    done
    echo
    echo "| | figure | bar | |"
    echo "| --- | --- | --- | --- |"
    bar "b0 / a" "$(ratio b0 a)" ">=" 1.0
    bar "b0 / d0" "$(ratio b0 d0)" ">=" 3
    bar "b / a (aim: 1.2)" "$(ratio b a)" ">=" 0.8
    bar "b / d" "$(ratio b d)" ">=" 2.5
    bar "p50 of b0 at one connection, µs, against d0's" "$(value b0-one 3)" "<=" "$(value d0-one 3)"
    bar "resident memory of b's instance after the load, MB (highest $(memory "${process[api]}" VmHWM))" "$(memory "${process[api]}" VmRSS)" "<=" 150
    bar "ready after its start, ms, median of 5" "$ready" "<=" 1000
} >"$report"

for variant in a a-best b b0 c d d0; do
    case $variant in a*) colour=#9aa5b1 ;; d*) colour=#d9a06b ;; *) colour=#3b82c4 ;; esac
    printf '%s\t%.0f\t%s\n' "${title[$variant]}" "$(value "$variant" 2)" "$colour"
done | chart "GET /user/{name}, requests a second, 64 connections" >"$work/reads.svg"

cat "$report"
$quick || keep_results "$report" "$work/reads.svg"

#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/edge.sh [options]

Measures what the edge costs a request beside HAProxy and nginx that do the same work, in turn, and writes bench/results/edge.md and
edge-*.svg. Takes about twelve minutes; see bench/README.md.

  --scenarios LIST  of plain,fixed,tls,h2,connections,sidecars (default: all)
  --proxies LIST    of haproxy,nginx,edge0,edge (default: all); edge0 is the edge without telemetry; also edge-none and edge-all,
                    the edge with an access log of nothing and of every request, and yarp and invoker (plain only), which only forward
  --rate N          requests a second at the fixed rate, a multiple of 1000 up to 6000 (default: half of what the slowest proxy does)
  --before DIR      also measure an earlier edge, published with dotnet publish -c Release -o DIR, as before0 and before
  --rounds N        measured rounds of each, after one to warm up (default 5)
  --seconds N       length of a round (default 4)
  --quick           1 round of 2 s, as a smoke test
  --help            print this text

Only a whole run writes results: with all scenarios and proxies, without --before and --quick."

scenarios='' proxies='' rate='' before='' rounds='' seconds='' quick=false
parse_options "$@"
whole=true
if $quick || [[ $scenarios$proxies$before ]]; then whole=false; fi
if $quick; then : "${rounds:=1}" "${seconds:=2}"; fi
: "${rounds:=5}" "${seconds:=4}"
IFS=, read -ra scenarios <<<"${scenarios:-plain,fixed,tls,h2,connections,sidecars}"
IFS=, read -ra proxies <<<"${proxies:-haproxy,nginx,edge0,edge}"

PATH=$PATH:/usr/sbin
for scenario in "${scenarios[@]}"; do [[ $scenario =~ ^(plain|fixed|tls|h2|connections|sidecars)$ ]] || fail "there is no scenario $scenario; see --help"; done
for proxy in "${proxies[@]}"; do [[ $proxy =~ ^(haproxy|nginx|edge0|edge(-none|-all)?|yarp|invoker)$ ]] || fail "there is no proxy $proxy; see --help"; done
if [[ $before ]]; then
    [[ -x $before/UserSvc.Edge ]] || fail "there is no published edge in $before"
    before=$(cd "$before" && pwd)
    proxies+=(before0 before)
fi
[[ $rate =~ ^([1-6]000)?$ ]] || fail "--rate needs a multiple of 1000 up to 6000, not $rate"
need wrk wrk
need h2load nghttp2-client
need haproxy haproxy
need nginx nginx-light
need openssl openssl
need curl curl
need dotnet dotnet-sdk-10.0
ulimit -n "$(ulimit -Hn)"
[[ $(ulimit -n) == unlimited ]] || (($(ulimit -n) >= 8192)) || fail "1,000 connections on both sides need 8192 open files, but ulimit -n allows $(ulimit -n)"

includes() { [[ " ${scenarios[*]} " == *" $1 "* ]]; }

echo "Building..."
for project in UserSvc.Edge bench/OtlpReceiver bench/Floor; do publish "$project"; done
export DOTNET_ENVIRONMENT=Production ASPNETCORE_ENVIRONMENT=Production Drain__Time=00:00:00
unset "${!OTEL_@}"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || fail "openssl failed: $(cat "$work/openssl.log")"
cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"

# --- the participants --------------------------------------------------------------------------------------------------------
# The processes, cleartext address and TLS address of each started proxy.
declare -A processes url tls

# Without root, nginx cannot use its default folders.
nginx_head() {
    echo "daemon off; pid $work/$1.pid; worker_rlimit_nofile $(ulimit -n); error_log stderr;"
    echo "events { worker_connections 4096; }"
    echo "http { access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 130s;"
    for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $work/$1-$kind;"; done
}

# upstream NAME: an nginx worker that answers a user, and under /user/echo the headers it received.
upstream() {
    local port
    port=$(free_port)
    url[$1]=http://127.0.0.1:$port
    {
        echo "worker_processes 1;"
        nginx_head "$1"
        cat <<CONF
    server {
        listen 127.0.0.1:$port reuseport;
        default_type application/json;
        location / { return 200 '{"ok":true,"uuid":"0197C3D2A5B47E11B1F2A9C8D7E6F504","fullname":"Alice Anderson","hostname":"$1","resolvedname":"127.0.0.1"}'; }
        location = /user/echo { return 200 '$1 \$http_x_request_id \$http_x_forwarded_for \$http_x_forwarded_proto \$http_x_forwarded_host\n'; }
        location = /served { stub_status; }
    }
}
CONF
    } >"$work/$1.conf"
    start "$1" nginx -e stderr -c "$work/$1.conf"
    processes[$1]=$pid
    wait_http "${url[$1]}/health" "$1" "$pid"
}

# start_KIND NAME PATH SERVER...: a proxy that forwards what is below PATH. The path is /user/ in front of the upstreams; a sidecar forwards
# everything and trusts what the proxy in front of it says about the client.
start_haproxy() {
    local server n=0 given="{ req.hdr(X-Request-Id) -m reg ^[A-Za-z0-9._-]{1,128}\$ }"
    {
        cat <<CONF
global
    maxconn 4000
    # Keep idle connections open while 1,000 are in use on either side.
    tune.pool-low-fd-ratio 80
    tune.pool-high-fd-ratio 90
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 250ms
    timeout client 130s
    timeout http-request 10s
    timeout http-keep-alive 130s
    timeout server 10s
    retries 2
    retry-on conn-failure empty-response 502 503 response-timeout
    option redispatch 1
    http-reuse always
frontend public
    bind ${url[$1]#http://}
    bind ${tls[$1]#https://} ssl crt $work/both.pem alpn h2,http/1.1
    http-request return status 404 unless { path_beg $2 }
    unique-id-format %[uuid()]
    http-request set-header X-Request-Id %[unique-id] unless $given
    http-request set-var(txn.id) req.hdr(X-Request-Id)
    http-response set-header X-Request-Id %[var(txn.id)]
CONF
        if [[ $2 == / ]]; then echo "    option forwardfor"
        else
            cat <<CONF
    http-request del-header Forwarded
    http-request del-header x-envoy- -m beg
    http-request del-header X-Forwarded- -m beg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Proto http unless { ssl_fc }
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
CONF
        fi
        cat <<CONF
    default_backend upstreams
backend upstreams
    balance roundrobin
    http-request disable-l7-retry unless METH_GET
    http-response del-header Server
    option httpchk GET /health
    timeout check 500ms
    default-server check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down
CONF
        for server in "${@:3}"; do echo "    server server$((++n)) ${server#http://}"; done
        cat <<CONF
frontend counters
    bind 127.0.0.1:$(free_port)
    http-request use-service prometheus-exporter if { path /metrics }
CONF
    } >"$work/$1.cfg"
    start "$1" haproxy -db -f "$work/$1.cfg"
}

start_nginx() {
    local server
    {
        echo "worker_processes auto;"
        nginx_head "$1"
        echo "map \$http_x_request_id \$id { '~^[A-Za-z0-9._-]{1,128}\$' \$http_x_request_id; default \$request_id; }"
        # With the zone, workers share the round robin and the failure counts.
        echo "upstream upstreams { zone upstreams 256k; keepalive 512; keepalive_requests 1000000000;"
        for server in "${@:3}"; do echo "server ${server#http://} max_fails=5 fail_timeout=30s;"; done
        cat <<CONF
    }
    server {
        listen ${url[$1]#http://} reuseport;
        listen ${tls[$1]#https://} ssl http2 reuseport;
        ssl_certificate $work/cert.pem;
        ssl_certificate_key $work/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:10m;
        client_max_body_size 64k;
        client_header_timeout 10s;
        location $2 {
            proxy_pass http://upstreams;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header X-Request-Id \$id;
            add_header X-Request-Id \$id always;
            proxy_hide_header X-Request-Id;
            proxy_hide_header Server;
            proxy_connect_timeout 250ms;
            proxy_read_timeout 10s;
            proxy_next_upstream error timeout http_502 http_503;
            proxy_next_upstream_tries 3;
CONF
        if [[ $2 == / ]]; then echo "proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;"
        else
            cat <<CONF
            proxy_set_header Forwarded '';
            proxy_set_header X-Forwarded-For \$remote_addr;
            proxy_set_header X-Forwarded-Proto \$scheme;
            proxy_set_header X-Forwarded-Host \$http_host;
CONF
        fi
        echo "} } server { listen 127.0.0.1:$(free_port); location = /counters { stub_status; } } }"
    } >"$work/$1.conf"
    start "$1" nginx -e stderr -c "$work/$1.conf"
}

start_edge() {
    local name=$1 folder=$work/bin/UserSvc.Edge server n=0 settings=()
    [[ $name == before* ]] && folder=$before
    if [[ $2 == / ]]; then
        settings=(Edge__TrustedProxies__0=127.0.0.1)
        if [[ -f $folder/appsettings.Sidecar.json ]]; then settings+=(Edge__Mode=Sidecar); else settings+=(ReverseProxy__Routes__user__Match__Path='/{**rest}'); fi
    fi
    [[ $name =~ ^(edge|before)0 ]] || settings+=(OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT="${url[receiver]}")
    case $name in edge-none*) settings+=(Edge__AccessLog__Requests=None) ;; edge-all*) settings+=(Edge__AccessLog__Requests=All) ;; esac
    # All requests come from one client, whose share must hold them. An edge refuses a setting that it does not know, and a sidecar has no limit of one client.
    if [[ $2 != / ]]; then
        settings+=(ReverseProxy__Clusters__usersvc__Metadata__CircuitBreaker.MaxRequests=10000)
        if grep -qs InFlight "$folder/appsettings.Sidecar.json"; then settings+=(Edge__InFlight__MaxPerClient=10000); fi
    fi
    # A sidecar's settings already name its one destination.
    if [[ $2 == / ]]; then settings+=(ReverseProxy__Clusters__usersvc__Destinations__local__Address="$3")
    else for server in "${@:3}"; do settings+=(ReverseProxy__Clusters__usersvc__Destinations__$((++n))__Address="$server"); done; fi
    url[$name-health]=http://127.0.0.1:$(free_port)
    start "$name" env --chdir="$folder" Instance__Name="$name" Kestrel__Endpoints__Http__Url="${url[$name]}" \
        Kestrel__Endpoints__Https__Url="${tls[$name]}" Kestrel__Endpoints__Https__Certificate__Path="$work/cert.pem" \
        Kestrel__Endpoints__Https__Certificate__KeyPath="$work/key.pem" Kestrel__Endpoints__Health__Url="${url[$name-health]}" \
        Kestrel__Endpoints__Admin__Url="http://127.0.0.1:$(free_port)" \
        "${settings[@]}" ./UserSvc.Edge
    wait_http "${url[$name-health]}/ready" "$name" "$pid"
}

start_floor() {
    start "$1" env Kestrel__Endpoints__Http__Url="${url[$1]}" "$work/bin/Floor/Floor" "$1" "${@:3}"
}

# proxy KIND NAME PATH SERVER...
proxy() {
    url[$2]=http://127.0.0.1:$(free_port)
    tls[$2]=https://127.0.0.1:$(free_port)
    case $1 in haproxy | nginx) "start_$1" "${@:2}" ;; yarp | invoker) start_floor "${@:2}" ;; *) start_edge "${@:2}" ;; esac
    processes[$2]=$pid
    wait_http "${url[$2]}/user/alice" "$2" "$pid"
}

echo "Starting..."
url[receiver]=http://127.0.0.1:$(free_port)
start receiver env --chdir="$work/bin/OtlpReceiver" Kestrel__Endpoints__Http__Url="${url[receiver]}" ./OtlpReceiver
processes[receiver]=$pid
wait_http "${url[receiver]}/" receiver "$pid"
upstream usersvc-1
upstream usersvc-2
targets=()
for proxy in "${proxies[@]}"; do
    if [[ ${scenarios[*]} != sidecars ]]; then
        proxy "$proxy" "$proxy" /user/ "${url[usersvc-1]}" "${url[usersvc-2]}"
        targets+=("$proxy")
    fi
    if includes sidecars; then
        for n in 1 2; do proxy "$proxy" "$proxy-sidecar-$n" / "${url[usersvc-$n]}"; done
        proxy "$proxy" "$proxy-sidecars" /user/ "${url[$proxy-sidecar-1]}" "${url[$proxy-sidecar-2]}"
        processes[$proxy-sidecars]+=" ${processes[$proxy-sidecar-1]} ${processes[$proxy-sidecar-2]}"
        targets+=("$proxy-sidecars")
    fi
done

# verify TARGET ADDRESS CURL-OPTION...: checks that 40 requests get the right answer and reach both upstreams with all headers.
verify() {
    local name=$1 address=$2 out
    out=$(curl -fsS --cacert "$work/cert.pem" "${@:3}" "$address/user/alice")
    [[ $out =~ ^'{"ok":true,"uuid":"0197C3D2A5B47E11B1F2A9C8D7E6F504","fullname":"Alice Anderson","hostname":"usersvc-'[12]'","resolvedname":"127.0.0.1"}'$ ]] ||
        fail "$name answers $out"
    curl -fsSi --cacert "$work/cert.pem" "${@:3}" "$address/user/echo?[1-40]" | tr -d '\r' >"$work/echo"
    awk -v proto="${address%%:*}" -v host="${address#*//}" -v client="$([[ $name == *-sidecars ]] && echo "127.0.0.1, 127.0.0.1" || echo 127.0.0.1)" '
        tolower($1) == "x-request-id:" { answered = $2 }
        /^usersvc-/ {
            if ($2 == answered && !seen[$2]++ && $0 == $1 " " $2 " " client " " proto " " host) served[$1]++; else { print "unexpected: " $0; exit 1 }
        }
        END { if (served["usersvc-1"] + served["usersvc-2"] != 40 || served["usersvc-1"] < 18 || served["usersvc-1"] > 22) { print served["usersvc-1"] + 0, served["usersvc-2"] + 0; exit 1 } }
    ' "$work/echo" >"$work/echo.log" || fail "$name does not forward as it should: $(cat "$work/echo.log")"
}
for target in "${targets[@]}"; do
    [[ $target =~ ^(yarp|invoker)$ ]] && continue
    verify "$target" "${url[$target]}"
    verify "$target" "${tls[$target]}" --http1.1
    verify "$target" "${tls[$target]}" --http2
done

# --- the measurements ----------------------------------------------------------------------------------------------------
# Each sets $requests, $duration, $p50 and $p99 (in microseconds).
run_wrk() {
    local out errors
    out=$(wrk -t1 -c"$1" -d"${seconds}s" --timeout 10s -s "$bench/figures.lua" "$2/user/alice") || fail "wrk failed: $out"
    read -r _ requests duration p50 p99 errors < <(grep ^figures <<<"$out")
    ((errors == 0)) || fail "$errors of $requests requests to $2 failed: $out"
}

# run_h2load SKIP ARGUMENT...: percentiles leave out requests that began in the first SKIP seconds.
run_h2load() {
    local out done_
    rm -f "$work/h2load"
    out=$(h2load --log-file="$work/h2load" "${@:2}") || fail "h2load failed: $out"
    read -r requests done_ duration < <(awk '/^finished in/ { sub(/,/, "", $3); if (sub(/ms$/, "", $3)) us = $3 * 1e3; else { sub(/s$/, "", $3); us = $3 * 1e6 } }
        /^requests:/ { n = $8; bad = $10 + $12 + $14 } /^status codes:/ { ok = $3 } END { printf "%d %d %d\n", ok, ok == n && bad == 0, us }' <<<"$out")
    ((done_ == 1)) || fail "requests failed: $out"
    read -r p50 p99 < <(awk -F'\t' -v skip="$1" 'NR == 1 { from = $1 + skip * 1000000 } $1 >= from { print $3 }' "$work/h2load" | percentiles)
}

# run SCENARIO TARGET
run() {
    case $1 in
        plain | sidecars) run_wrk 64 "${url[$2]}" ;;
        # Without -r all 64 clients would always send at the same moment; in the first second they still do.
        fixed) run_h2load 1 --h1 -c64 -r "$((rate / 1000))" --rate-period=1ms --rps "$(awk -v r="$rate" 'BEGIN { print r / 64 }')" \
            -n "$((rate * (seconds + 1)))" "${url[$2]}/user/alice" ;;
        tls) run_wrk 64 "${tls[$2]}" ;;
        h2) run_h2load 0 -c8 -m8 -D "$seconds" "${tls[$2]}/user/alice" ;;
        connections) run_wrk 1000 "${url[$2]}" ;;
    esac
}

target() { [[ $1 == sidecars ]] && echo "$2-sidecars" || echo "$2"; }

# CPU time so far of the proxy, the upstreams, the receiver, the other proxies, the load generators and the whole machine.
usage_now() {
    local own=${processes[$1]} name others=()
    for name in "${targets[@]}"; do [[ $name == "$1" ]] || others+=(${processes[$name]}); done
    cpu_tree $own
    cpu_tree "${processes[usersvc-1]}" "${processes[usersvc-2]}"
    cpu_tree "${processes[receiver]}"
    if ((${#others[@]})); then cpu_tree "${others[@]}"; else echo 0; fi
    cpu_ended
    cpu_machine
    kernel_tree $own
    switches_tree $own
}

# measure SCENARIO PROXY FILE: appends scenario.proxy, requests/s, p50, p99, CPU of proxy, upstreams and receiver (in microseconds a
# request), the proxy's memory in MB, the CPU that everything else used, in % of a core, and the proxy's CPU in the kernel and its context
# switches, a request.
measure() {
    local before after target
    target=$(target "$1" "$2")
    before=$(usage_now "$target")
    run "$1" "$target"
    after=$(usage_now "$target")
    paste <(echo "$before") <(echo "$after") | awk -v OFS='\t' -v variant="$1.$2" -v n="$requests" -v us="$duration" -v p50="$p50" -v p99="$p99" -v mb="$(memory_tree ${processes[$target]})" '
        { used[NR] = $2 - $1 }
        END {
            others = used[6]; for (i = 1; i <= 5; i++) others -= used[i]
            printf "%s\t%.0f\t%d\t%d\t%.1f\t%.1f\t%.2f\t%d\t%.0f\t%.1f\t%.2f\n", variant, n / us * 1e6, p50, p99, used[1] / n, used[2] / n, used[3] / n, mb, others / us * 100, used[7] / n, used[8] / n
        }' >>"$3"
}

served() { curl -fsS "${url[$1]}/served" | awk 'NR == 3 { print $3 }'; }

# Lets the JIT optimise the edge, and sets the fixed rate to half of what the slowest proxy then does.
echo "Compiling..."
slowest=0
for target in "${targets[@]}"; do
    for ((i = 0; i < 2; i++)); do
        from=($(served usersvc-1) $(served usersvc-2))
        run_wrk 64 "${url[$target]}"
        # Includes probes and the requests for /served.
        one=$(($(served usersvc-1) - from[0])) two=$(($(served usersvc-2) - from[1]))
        ((one + two >= requests && one * 100 / (one + two) >= 49 && two * 100 / (one + two) >= 49)) ||
            fail "of $requests requests to $target the upstreams received $one and $two"
    done
    ((rps = requests * 1000000 / duration))
    if [[ $target != *-sidecars ]] && ((slowest == 0 || rps < slowest)); then slowest=$rps; fi
done
if [[ -z $rate ]]; then ((rate = slowest / 2000 * 1000, rate = rate < 1000 ? 1000 : rate > 6000 ? 6000 : rate)); fi

for ((round = 0; round <= rounds; round++)); do
    if ((round)); then file=$work/rounds; echo "Round $round of $rounds, CPU µs a request:"; else file=$work/warm-up; echo "Warming up, CPU µs a request:"; fi
    for scenario in "${scenarios[@]}"; do
        for proxy in "${proxies[@]}"; do measure "$scenario" "$proxy" "$file"; done
        echo "  $scenario: $(tail -n "${#proxies[@]}" "$file" | awk -F'\t' '{ sub(/.*\./, "", $1); printf "%s %s  ", $1, $5 }')"
    done
done

# --- the report ------------------------------------------------------------------------------------------------------------
declare -A title=(
    [plain]="HTTP/1.1, 64 connections, as fast as possible" [fixed]="HTTP/1.1, 64 connections, $rate requests a second"
    [tls]="HTTP/1.1 over TLS, 64 connections" [h2]="HTTP/2 over TLS, 8 connections of 8 streams" [connections]="HTTP/1.1, 1,000 connections"
    [sidecars]="HTTP/1.1, 64 connections, a sidecar of the same kind before each upstream"
    [haproxy]="HAProxy" [nginx]="nginx" [edge0]="edge, no telemetry" [edge]="edge, telemetry as shipped" [edge-none]="edge, no access log" [edge-all]="edge, access log of all"
    [yarp]="YARP alone" [invoker]="Kestrel and HttpMessageInvoker alone"
    [before0]="edge before, no telemetry" [before]="edge before, telemetry as shipped"
)
declare -A colour=([haproxy]=#9aa5b1 [nginx]=#c3cad2 [edge0]=#7fb2e5 [edge]=#3b82c4 [edge-none]=#6ba3d6 [edge-all]=#1f5c94 [yarp]=#8f7fc7 [invoker]=#b3a8dc [before0]=#d9c06b [before]=#d9a06b)
report="$work/edge.md"
value() { median "$work/rounds" "$1" "$2"; }
ratio() { awk -v x="$(value "$1" 5)" -v y="$(value "$2" 5)" 'BEGIN { if (y > 0) printf "%.2f", x / y; else print "–" }'; }

{
    echo "# What the edge costs, beside HAProxy and nginx"
    echo
    echo "Medians of $rounds rounds of $seconds s each, taken in turn, on $(nproc) cores that also ran the load generator and the two upstreams; the range"
    echo "of the rounds is in brackets. CPU is that of the proxy with its workers and sidecars; others is what the rest of the machine used meanwhile, in % of a core."
    echo "All but those named alone send forwarding headers and a request id both ways, retry, time out, eject and count; HAProxy and the edge probe every second, open-source nginx only"
    echo "notices failed requests. Unless named for it, none logs a successful request. Memory includes workers and sidecars and counts shared pages once. At a fixed rate the first second is left out."
    echo "$(haproxy -v | awk 'NR == 1 { print "HAProxy " $3 }'), $(nginx -v 2>&1 | sed 's/.*: //; s,/, ,'), .NET $(dotnet --version). Written by bench/edge.sh."
    for scenario in "${scenarios[@]}"; do
        echo
        echo "## ${title[$scenario]}"
        echo
        echo "| | requests/s | p50 ms | p99 ms | CPU µs a request | × HAProxy | in the kernel | switches | memory MB | CPU µs: upstreams | receiver | others |"
        echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for proxy in "${proxies[@]}"; do
            key=$scenario.$proxy
            awk -v title="${title[$proxy]}" -v rps="$(value "$key" 2)" -v range="$(range "$work/rounds" "$key" 2)" -v p50="$(value "$key" 3)" \
                -v p99="$(value "$key" 4)" -v own="$(value "$key" 5)" -v owns="$(range "$work/rounds" "$key" 5)" -v ratio="$(ratio "$key" "$scenario.haproxy")" \
                -v mb="$(value "$key" 8)" -v upstreams="$(value "$key" 6)" -v receiver="$(value "$key" 7)" -v others="$(value "$key" 9)" -v kernel="$(value "$key" 10)" -v switches="$(value "$key" 11)" \
                'BEGIN { printf "| %s | %.0f (%s) | %.2f | %.2f | %.1f (%s) | %s | %.1f | %.2f | %.0f | %.1f | %.2f | %.0f%% |\n", title, rps, range, p50 / 1000, p99 / 1000, own, owns, ratio, kernel, switches, mb, upstreams, receiver, others }'
        done
    done
    if includes plain && [[ ${proxies[0]} == haproxy ]] && ((${#proxies[@]} > 1)); then
        echo
        echo "| CPU a request on the plain case | figure | bar | |"
        echo "| --- | --- | --- | --- |"
        [[ " ${proxies[*]} " != *" edge0 "* ]] || bar "edge without telemetry / HAProxy (aim: 1.2)" "$(ratio plain.edge0 plain.haproxy)" "<=" 1.8
        [[ " ${proxies[*]} " != *" edge "* ]] || bar "edge as shipped / HAProxy (aim: 1.5)" "$(ratio plain.edge plain.haproxy)" "<=" 2.5
    fi
} >"$report"

# rows COLUMN DIVISOR FORMAT SCENARIO...: for chart.
rows() {
    local scenario proxy
    for scenario in "${@:4}"; do
        echo "${title[$scenario]}"
        for proxy in "${proxies[@]}"; do
            awk -v label="${title[$proxy]}" -v x="$(value "$scenario.$proxy" "$1")" -v divisor="$2" -v format="$3" -v colour="${colour[$proxy]}" \
                'BEGIN { printf "%s\t" format "\t%s\n", label, x / divisor, colour }'
        done
    done
}
rows 5 1 %.1f "${scenarios[@]}" | chart "CPU microseconds a request, the proxy alone" >"$work/edge-cpu.svg"
rows 2 1 %.0f $(printf '%s\n' "${scenarios[@]}" | grep -vx fixed) | chart "Requests a second, the load generator and upstreams on the same cores" >"$work/edge-rate.svg"
if includes fixed; then rows 4 1000 %.2f fixed | chart "p99 in ms at a fixed rate" >"$work/edge-latency.svg"; fi

cat "$report"
! $whole || keep_results "$report" "$work"/edge-*.svg

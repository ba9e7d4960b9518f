#!/usr/bin/env bash
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly usage="Usage: bench/system.sh [options]

Measures the whole system (edge, instances, PostgreSQL) against the same contract served by Python behind nginx: reads, creates and a mix
of both, at one and at three instances, in turn. Writes bench/results/system.md and system.svg. Takes about twelve minutes; see
bench/README.md.

  --loads LIST  of reads,creates,mixed (default: all)
  --workers N   the peer's workers in each instance (default: the number that reads fastest, searched for first)
  --rounds N    measured rounds of each, after one to warm up (default 5)
  --seconds N   length of a round (default 4)
  --quick       1 round of 1 s, cold, as a smoke test
  --help        print this text

Only a whole run writes results: with all loads, without --workers and --quick, and if no request failed."

loads='' workers='' rounds='' seconds='' quick=false
parse_options "$@"
whole=true
if $quick || [[ $loads$workers ]]; then whole=false; fi
if $quick; then : "${rounds:=1}" "${seconds:=1}"; fi
: "${rounds:=5}" "${seconds:=4}"
IFS=, read -ra loads <<<"${loads:-reads,creates,mixed}"
candidates=(${workers:+"$workers"})
unset workers

for load in "${loads[@]}"; do [[ $load =~ ^(reads|creates|mixed)$ ]] || fail "there is no load $load; see --help"; done
PATH=$PATH:/usr/sbin
# Debian's own interpreter, which finds Debian's packages, whatever PATH has.
python=/usr/bin/python3
need wrk wrk
need nginx nginx-light
need psql postgresql-client
need curl curl
need dotnet dotnet-sdk-10.0
need "$python" python3
# Module and package.
while read -r module package; do
    "$python" -c "import $module" 2>"$work/import.log" || fail "Python's $module is missing; on Debian or Ubuntu: sudo apt-get install -y $package"
done <<'TEXT'
fastapi python3-fastapi
uvicorn python3-uvicorn
uvloop python3-uvloop
httptools python3-httptools
gunicorn python3-gunicorn
asyncpg python3-asyncpg
nacl python3-nacl
ujson python3-ujson
TEXT
cores=$(nproc)

echo "Building..."
for project in UserSvc.Api UserSvc.Edge bench/OtlpReceiver; do publish "$project"; done
read -r hash_there hash_here < <("$python" "$bench/PythonUsers/hash_cost.py" "$work/bin/UserSvc.Api/runtimes/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')/native/libsodium.so" ||
    echo failed)
[[ ${hash_here:-} ]] || fail "the cost of a hash could not be measured"

start_postgres
export DOTNET_ENVIRONMENT=Production ASPNETCORE_ENVIRONMENT=Production Drain__Time=00:00:00
unset "${!OTEL_@}"

# --- the participants --------------------------------------------------------------------------------------------------------
# The systems are ours, ours0 (without telemetry) and peer. SYSTEM.N has N instances: its address and the processes of its parts.
declare -A url service proxy workers

# stop PID...
stop() {
    kill -TERM "$@"
    wait "$@" || true
    pids=($(printf '%s\n' "${pids[@]}" | grep -vxF "$(printf '%s\n' "$@")"))
}

# serve NAME PROJECT SETTING...: starts a service on a free port; settings are environment variables.
serve() {
    url[$1]=http://127.0.0.1:$(free_port)
    start "$1" env --chdir="$work/bin/$2" Kestrel__Endpoints__Http__Url="${url[$1]}" Instance__Name="$1" Instance__Address=127.0.0.1 "${@:3}" "./$2"
}

# start_ours SYSTEM SETTING...: three instances, an edge in front of all of them and one in front of the first only.
start_ours() {
    local system=$1 n health settings=() instances=()
    for n in 1 2 3; do
        # As many hashing threads as cores, like the peer; half as many are shipped.
        serve "$system-$n" UserSvc.Api "${@:2}" ConnectionStrings__users="$ConnectionStrings__users;Application Name=$system-$n" Passwords__Concurrency="$cores"
        wait_http "${url[$system-$n]}/health" "$system-$n" "$pid"
        settings+=(ReverseProxy__Clusters__usersvc__Destinations__${n}__Address="${url[$system-$n]}")
        instances+=("$pid")
        ((n != 2)) || continue
        health=http://127.0.0.1:$(free_port)
        serve "$system.$n" UserSvc.Edge "${@:2}" "${settings[@]}" Kestrel__Endpoints__Health__Url="$health" Kestrel__Endpoints__Admin__Url="http://127.0.0.1:$(free_port)"
        wait_http "$health/ready" "$system.$n" "$pid"
        service[$system.$n]=${instances[*]}
        proxy[$system.$n]=$pid
    done
}

# start_peer N WORKERS: N instances with WORKERS workers each, behind nginx.
start_peer() {
    local instance address servers=() kind
    service[peer.$1]= url[peer.$1]=http://127.0.0.1:$(free_port) workers[$1]=$2
    for ((instance = 1; instance <= $1; instance++)); do
        address=127.0.0.1:$(free_port)
        start "peer$1-$instance" env --chdir="$bench/PythonUsers" PYTHONDONTWRITEBYTECODE=1 INSTANCE_NAME="peer$1-$instance" INSTANCE_ADDRESS=127.0.0.1 \
            DATABASE="postgresql://postgres@127.0.0.1:$pg_port/peer" HASHES_AT_A_TIME=$(((cores + $2 - 1) / $2)) \
            "$python" -m gunicorn users:app --worker-class uvicorn.workers.UvicornWorker --workers "$2" --bind "$address" --keep-alive 75 --worker-tmp-dir /dev/shm
        wait_http "http://$address/health" "peer$1-$instance" "$pid"
        service[peer.$1]+="$pid "
        servers+=("server $address;")
    done
    cat >"$work/peer.$1.conf" <<CONF
daemon off;
pid $work/peer.$1.pid;
error_log stderr;
worker_processes auto;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000000;
    $(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $work/peer.$1-$kind;"; done)
    upstream instances {
        zone instances 256k;
        keepalive 128;
        keepalive_requests 1000000000;
        ${servers[*]}
    }
    server {
        listen ${url[peer.$1]#http://} reuseport;
        client_max_body_size 64k;
        location /user/ {
            proxy_pass http://instances;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Host \$http_host;
            proxy_set_header X-Request-Id \$request_id;
            proxy_set_header X-Forwarded-For \$remote_addr;
            proxy_set_header X-Forwarded-Proto \$scheme;
            add_header X-Request-Id \$request_id always;
            proxy_connect_timeout 250ms;
            proxy_read_timeout 15s;
        }
    }
}
CONF
    start "peer.$1" nginx -e stderr -c "$work/peer.$1.conf"
    proxy[peer.$1]=$pid
    wait_http "${url[peer.$1]}/user/100000" "peer.$1" "$pid"
}

stop_peer() { stop ${proxy[peer.$1]} ${service[peer.$1]}; }

# conforms SYSTEM.N DATABASE: checks that it serves the contract.
conforms() {
    local system=$1 database=$2 name="check-$1" base="${url[$1]}/user" uuid row
    local user='^\{"ok":true,"uuid":"([0-9A-F]{32})","fullname":"Ann Ö\.","hostname":"[a-z0-9]+-[1-3]","resolvedname":"127\.0\.0\.1"\}$'
    # ask STATUS CURL-ARGUMENT...: keeps the body in $body and the headers in $work/headers.
    ask() {
        local status
        status=$(curl -sS -m 10 -D "$work/headers" -o "$work/body" -w '%{http_code}' "${@:2}")
        body=$(<"$work/body")
        [[ $status == "$1" ]] || fail "$system answers $status instead of $1 to ${*:2}: $body"
        [[ $body != *'very secret'* ]] || fail "$system answers with a password"
        (($1 < 400)) || [[ $body == *'"ok":false'* && $body == *'"error":"'* && $body == *'"hostname":"'* ]] || fail "$system's $1 is $body"
    }
    put() { ask "$1" -X PUT -H 'Content-Type: application/json' -d "$3" "$base/$2"; }
    put 201 "$name" '{"fullname":"Ann Ö.","password":"very secret"}'
    grep -qix "location: /user/$name"$'\r' "$work/headers" || fail "$system sends no Location: $(<"$work/headers")"
    [[ $body =~ $user ]] || fail "$system answers $body"
    uuid=${BASH_REMATCH[1]}
    put 200 "$name" '{"fullname":"Ann Ö.","password":"very secret"}'
    [[ $body =~ $user && ${BASH_REMATCH[1]} == "$uuid" ]] || fail "$system answers $body to the same PUT"
    put 409 "$name" '{"fullname":"Bob","password":"very secret"}'
    put 409 "$name" '{"fullname":"Ann Ö.","password":"another secret"}'
    put 400 "$name" '{"fullname":"Ann Ö."}'
    put 400 "$name" '{'
    put 400 "-$name" '{"fullname":"Ann Ö.","password":"very secret"}'
    ask 200 "$base/$name"
    [[ $body =~ $user && ${BASH_REMATCH[1]} == "$uuid" ]] || fail "$system answers $body"
    ask 304 -H "If-None-Match: W/\"$uuid-1\"" "$base/$name"
    ask 200 "$base/123456"
    [[ $body == *'"fullname":"User Number 123456"'* ]] || fail "$system answers $body"
    ask 404 "$base/nobody"
    row=$(psql -Atc "SELECT upper(replace(uuid::text, '-', '')), fullname, left(password_hash, 30), version FROM users WHERE username = '$name'" "$database")
    [[ $row == "$uuid|Ann Ö.|\$argon2id\$v=19\$m=19456,t=2,p=1|1" ]] || fail "$system stored $row"
}

serve receiver OtlpReceiver
wait_http "${url[receiver]}/" receiver "$pid"

# The first instance creates the schema; the peer's database is a copy, users included.
serve first UserSvc.Api
wait_http "${url[first]}/health" first "$pid"
stop "$pid"
psql -q users <<'SQL'
INSERT INTO users (uuid, username, fullname, password_hash)
SELECT gen_random_uuid(), n, 'User Number ' || n, '$argon2id$v=19$m=19456,t=2,p=1$' || repeat('x', 66) FROM generate_series(100000, 199999) n;
SQL
psql -qc 'CREATE DATABASE peer TEMPLATE users' postgres
for database in users peer; do psql -qc 'VACUUM ANALYZE users' "$database"; done

# --- the measurements ----------------------------------------------------------------------------------------------------
declare -A connections=([reads]=64 [creates]=16 [mixed]=64) share=([reads]=0 [creates]=100 [mixed]=5)
serial=0

# run LOAD SYSTEM.N: sets $requests (answered without an error), $duration, $p50 and $p99 (in microseconds), $errors and $creates.
run() {
    local out
    ((++serial))
    out=$(wrk -t1 -c"${connections[$1]}" -d"${seconds}s" --timeout 10s -s "$bench/users.lua" "${url[$2]}" -- "${share[$1]}" "n$serial-") || fail "wrk failed: $out"
    read -r _ requests duration p50 p99 errors creates < <(grep ^figures <<<"$out")
    ((requests > 0)) || fail "$2 answered nothing: $out"
}

# CPU time so far of the instances, the proxy, PostgreSQL, all systems, the load generators and the whole machine.
usage_now() {
    cpu_tree ${service[$1]}
    cpu_tree ${proxy[$1]}
    cpu_postgres
    cpu_tree $(printf '%s\n' ${service[@]} ${proxy[@]} | sort -nu)
    cpu_ended
    cpu_machine
}

users() { psql -Atc 'SELECT count(*) FROM users' "$([[ $1 == peer* ]] && echo peer || echo users)"; }

# measure LOAD SYSTEM.N FILE: appends LOAD.SYSTEM.N, requests/s, p50, p99, CPU of instances, proxy, PostgreSQL and all three (in microseconds
# a request), errors, requests, and the CPU that the other systems and everything else used, in % of a core.
measure() {
    local before after stored
    stored=$(users "$2")
    before=$(usage_now "$2")
    run "$1" "$2"
    after=$(usage_now "$2")
    paste <(echo "$before") <(echo "$after") | awk -v OFS='\t' -v variant="$1.$2" -v n="$requests" -v us="$duration" -v p50="$p50" -v p99="$p99" -v errors="$errors" '
        { used[NR] = $2 - $1 }
        END {
            all = used[1] + used[2] + used[3]
            printf "%s\t%.0f\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%d\t%.0f\t%.0f\n", variant, n / us * 1e6, p50, p99,
                used[1] / n, used[2] / n, used[3] / n, all / n, errors, n, (used[4] - used[1] - used[2]) / us * 100, (used[6] - used[5] - used[4] - used[3]) / us * 100
        }' >>"$3"
    [[ $1 != reads ]] || return 0
    # Requests that were in flight at the end may still be hashed and stored, or not.
    sleep 1
    stored=$(($(users "$2") - stored))
    ((stored <= creates && stored >= creates - errors - connections[$1] - 1)) || fail "of $creates creates sent to $2, $errors failed and $stored were stored"
}

# The peer's fastest number of workers for reads: one; one a core, as FastAPI and uvicorn advise; one more; two a core and one, as gunicorn advises.
if ((${#candidates[@]} == 0)); then
    if $quick; then candidates=("$cores"); else mapfile -t candidates < <(printf '%s\n' 1 "$cores" $((cores + 1)) $((2 * cores + 1)) | sort -nu); fi
fi
searched=()
for n in 1 3; do
    best=${candidates[0]}
    if ((${#candidates[@]} > 1)); then
        echo "Looking for the peer's best number of workers, of $n..."
        for count in "${candidates[@]}"; do
            start_peer "$n" "$count"
            for ((round = 0; round < 3; round++)); do seconds=2 measure reads "peer.$n" "$work/$( ((round)) && echo "search-$n-$count" || echo warm-up)"; done
            stop_peer "$n"
            searched+=("$n × $count: $(median "$work/search-$n-$count" "reads.peer.$n" 2)")
        done
        best=$(for count in "${candidates[@]}"; do echo "$(median "$work/search-$n-$count" "reads.peer.$n" 2) $count"; done | sort -n | tail -n 1 | cut -d' ' -f2)
    fi
    start_peer "$n" "$best"
done

echo "Starting..."
start_ours ours OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf OTEL_EXPORTER_OTLP_ENDPOINT="${url[receiver]}"
start_ours ours0
systems=(ours ours0 peer)
for system in "${systems[@]}"; do
    for n in 1 3; do conforms "$system.$n" "$([[ $system == peer ]] && echo peer || echo users)"; done
done

# Creates are too few for the JIT to optimise the edge, so reads go first, whatever is measured.
$quick || for system in "${systems[@]}"; do for n in 1 3; do run reads "$system.$n"; done; done
for ((round = $($quick && echo 1 || echo 0); round <= rounds; round++)); do
    ((round == 0)) && echo "Warming up..." || echo "Round $round of $rounds..."
    for load in "${loads[@]}"; do
        for n in 1 3; do
            for system in "${systems[@]}"; do measure "$load" "$system.$n" "$work/$( ((round)) && echo rounds || echo warm-up)"; done
        done
    done
done

# --- the report ------------------------------------------------------------------------------------------------------------
declare -A title=(
    [ours]="this system, telemetry as shipped" [ours0]="this system, no telemetry" [peer]="Python behind nginx, no telemetry"
    [reads]="Reads" [creates]="Creates" [mixed]="95% reads and 5% creates" [1]="one instance" [3]="three instances"
)
declare -A colour=([ours]=#3b82c4 [ours0]=#7fb2e5 [peer]=#d9a06b)
report="$work/system.md"
value() { median "$work/rounds" "$1" "$2"; }
ratio() { awk -v x="$(value "$1" "$3")" -v y="$(value "$2" "$3")" 'BEGIN { printf "%.2f", x / y }'; }
sum() { awk -F'\t' -v v="$1" -v c="$2" '$1 == v { t += $c } END { printf "%d", t }' "$work/rounds"; }
failed=$(awk -F'\t' '{ t += $9 } END { printf "%d", t }' "$work/rounds")

# resident SYSTEM PID...: memory in MB. Counts pages that the peer's workers share once.
resident() {
    local process total=0
    if [[ $1 == peer* ]]; then memory_tree "${@:2}"; return; fi
    for process in "${@:2}"; do ((total += $(memory "$process" VmRSS))); done
    echo "$total"
}

# backends SYSTEM.N: its instances' connections to the database, and PostgreSQL's memory for them in MB.
backends() {
    local names="${1%.*}-[1-${1#*.}]" process
    [[ $1 != peer* ]] || names="peer${1#*.}-[1-${1#*.}]"
    psql -Atc "SELECT pid FROM pg_stat_activity WHERE application_name ~ '^$names\$'" postgres >"$work/backends"
    for process in $(<"$work/backends"); do cat "/proc/$process/smaps_rollup"; done |
        awk -v n="$(wc -l <"$work/backends")" '/^Private_(Clean|Dirty):/ { kb += $2 } END { printf "%d: %.0f", n, kb / 1024 }'
}

{
    echo "# The whole system, beside the same contract served by Python behind nginx"
    echo
    echo "Medians of $rounds rounds of $seconds s each, taken in turn, on $cores cores that also ran the load generator and PostgreSQL; the range of the rounds is in"
    echo "brackets. CPU is in microseconds a request, of the instances, the proxy (edge or nginx) and PostgreSQL. Waiting is what the other systems used"
    echo "meanwhile, others is the rest of the machine without the load generator, both in % of a core. Failed requests do not count as answered. Written by bench/system.sh."
    for load in "${loads[@]}"; do
        for n in 1 3; do
            echo
            echo "## ${title[$load]}, ${title[$n]}, ${connections[$load]} connections"
            echo
            echo "| | requests/s | p50 ms | p99 ms | CPU µs: instances | proxy | PostgreSQL | all | waiting | others | failed |"
            echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
            for system in "${systems[@]}"; do
                key=$load.$system.$n
                awk -v title="${title[$system]}" -v rps="$(value "$key" 2)" -v range="$(range "$work/rounds" "$key" 2)" -v p50="$(value "$key" 3)" -v p99="$(value "$key" 4)" \
                    -v own="$(value "$key" 5)" -v proxy="$(value "$key" 6)" -v pg="$(value "$key" 7)" -v all="$(value "$key" 8)" -v waiting="$(value "$key" 11)" -v others="$(value "$key" 12)" \
                    -v failed="$(sum "$key" 9)" -v requests="$(sum "$key" 10)" \
                    'BEGIN { printf "| %s | %.0f (%s) | %.2f | %.2f | %.0f | %.0f | %.0f | %.0f | %.0f%% | %.0f%% | %d of %d |\n", title, rps, range, p50 / 1000, p99 / 1000, own, proxy, pg, all, waiting, others, failed, requests + failed }'
            done
        done
    done
    echo
    echo "## This system to the peer"
    echo
    echo "| | requests/s, as shipped | no telemetry | CPU a request, as shipped | no telemetry |"
    echo "| --- | --- | --- | --- | --- |"
    for load in "${loads[@]}"; do
        for n in 1 3; do
            echo "| ${title[$load]}, ${title[$n]} |$(for c in 2 8; do for s in ours ours0; do printf ' %s |' "$(ratio "$load.$s.$n" "$load.peer.$n" "$c")"; done; done)"
        done
    done
    echo
    echo "One hash alone takes $hash_here ms of CPU with this system's libsodium, $hash_there ms with the peer's."
    echo
    echo "## Memory after the load, MB"
    echo
    echo "| | instances | proxy | connections to the database: their memory |"
    echo "| --- | --- | --- | --- |"
    for n in 1 3; do
        for system in "${systems[@]}"; do
            echo "| ${title[$system]}, ${title[$n]} | $(resident "$system" ${service[$system.$n]}) | $(resident "$system" ${proxy[$system.$n]}) | $(backends "$system.$n") |"
        done
    done
    echo
    echo "The peer ran with ${workers[1]} workers at one instance and ${workers[3]} in each of three."
    ((${#searched[@]} == 0)) || echo "They read fastest of these (instances × workers: reads a second): $(IFS=,; echo "${searched[*]}" | sed 's/,/, /g')."
} >"$report"

for load in "${loads[@]}"; do
    for n in 1 3; do
        echo "${title[$load]}, ${title[$n]}"
        for system in "${systems[@]}"; do printf '%s\t%.0f\t%s\n' "${title[$system]}" "$(value "$load.$system.$n" 2)" "${colour[$system]}"; done
    done
done | chart "Requests a second, the whole system; each group by its own scale" each >"$work/system.svg"

cat "$report"
((failed == 0)) || fail "$failed requests failed, so no results are written"
! $whole || keep_results "$report" "$work/system.svg"

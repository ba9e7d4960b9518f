# shellcheck shell=bash
# What the benchmarks share: prerequisites, a temporary PostgreSQL, processes and what they cost; not run by itself.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$bench")
# shellcheck source=setup.sh
source "$root/setup.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/usersvc-bench.XXXXXX")
chmod 711 "$work"
pids=()
ticks=$(getconf CLK_TCK)
trap clean_up EXIT
trap 'exit 130' INT TERM

# Ends the processes, the last one first; kills those that do not end within 10 s.
clean_up() {
    local i n
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[i]}" 2>/dev/null || continue
        for ((n = 0; n < 100; n++)); do kill -0 "${pids[i]}" 2>/dev/null || continue 2; sleep 0.1; done
        kill -KILL "${pids[i]}" 2>/dev/null || true
    done
    rm -rf "$work"
}

# need COMMAND PACKAGE: the package by its name in Debian and Ubuntu.
need() { command -v "$1" >/dev/null || fail "$1 is missing; on Debian or Ubuntu: sudo apt-get install -y $2"; }

# Never the same port twice: it may take long until something listens on it.
free_port() {
    local port
    while port=$((20000 + RANDOM % 10000)); grep -qsx "$port" "$work/ports" || (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port" | tee -a "$work/ports"
}

# start NAME COMMAND...: runs it in the background, with its output in $work/NAME.log and its process id in $pid.
start() {
    "${@:2}" >"$work/$1.log" 2>&1 &
    pid=$!
    pids+=("$pid")
}

# wait_http URL NAME PID: waits until it answers 200.
wait_http() {
    local deadline=$((SECONDS + 30))
    until curl -fso /dev/null "$1"; do
        kill -0 "$3" 2>/dev/null || { cat "$work/$2.log" >&2; fail "$2 has ended"; }
        ((SECONDS < deadline)) || { tail "$work/$2.log" >&2; fail "$2 did not answer $1 within 30 s"; }
        sleep 0.01
    done
}

# publish PROJECT: builds it as shipped, into $work/bin/PROJECT.
publish() {
    local output="$work/bin/$(basename "$1")"
    dotnet publish "$root/$1" -c Release -o "$output" --nologo -v quiet >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "$1 does not build"; }
}

# PostgreSQL refuses to run as root.
unprivileged() {
    if ((EUID != 0)); then "$@"
    elif id postgres >/dev/null 2>&1; then runuser -u postgres -- "$@"
    else runuser -u nobody -- "$@"; fi
}

# Sets $pg_port and $postmaster. The database is empty; the server's settings are its defaults, durability included.
start_postgres() {
    local bin
    bin=$(dirname "$(command -v postgres || ls -d /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres 2>/dev/null | sort -V | tail -n 1)")
    [[ -x $bin/initdb ]] || fail "PostgreSQL's server is missing; on Debian or Ubuntu: sudo apt-get install -y postgresql"
    pg_port=$(free_port)
    install -d -m 777 "$work/postgres"
    unprivileged "$bin/initdb" -D "$work/postgres/data" -U postgres -A trust -E UTF8 --no-locale >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
    unprivileged "$bin/pg_ctl" start -D "$work/postgres/data" -l "$work/postgres/log" -w -s \
        -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=$((200 + 64 * ($(nproc) + 1)))" || { cat "$work/postgres/log" >&2; fail "PostgreSQL did not start"; }
    postmaster=$(head -n 1 "$work/postgres/data/postmaster.pid")
    pids+=("$postmaster")
    export PGHOST=127.0.0.1 PGPORT=$pg_port PGUSER=postgres PGOPTIONS='-c client_min_messages=warning'
    psql -qc 'CREATE DATABASE users' postgres
    export ConnectionStrings__users="Host=127.0.0.1;Port=$pg_port;Username=postgres;Database=users"
}

# cpu PID: the CPU time that the process has used, in microseconds.
cpu() { awk -v hz="$ticks" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000000 / hz }' "/proc/$1/stat"; }

# cpu_tree PID...: the same for several processes and their children, including those that have ended.
cpu_tree() {
    local stats=() parent child
    for parent; do stats+=("/proc/$parent/stat"); done
    for parent; do for child in $(cat "/proc/$parent/task/$parent/children"); do stats+=("/proc/$child/stat"); done; done
    cat "${stats[@]}" 2>/dev/null | awk -v hz="$ticks" -v parents=$# '{ sub(/.*\) /, ""); t += $12 + $13; if (NR <= parents) t += $14 + $15 } END { print t * 1000000 / hz }'
}

# kernel_tree PID..., switches_tree PID...: of the processes and their children, the CPU time in the kernel in microseconds, and the context switches
# of all threads.
kernel_tree() { each_of "$@" | xargs -I{} cat /proc/{}/stat | awk -v hz="$ticks" '{ sub(/.*\) /, ""); t += $13 } END { print t * 1000000 / hz }'; }
switches_tree() { each_of "$@" | xargs -I{} sh -c 'cat /proc/{}/task/*/status' | awk '/ctxt_switches/ { n += $2 } END { print n }'; }
each_of() { local parent; for parent; do echo "$parent" $(cat "/proc/$parent/task/$parent/children") | tr ' ' '\n'; done; }

cpu_postgres() { cpu_tree "$postmaster"; }

# The same for everything this script ran that has ended: the load generators, mostly.
cpu_ended() { awk -v hz="$ticks" '{ sub(/.*\) /, ""); print ($14 + $15) * 1000000 / hz }' "/proc/$$/stat"; }

# The same for the whole machine.
cpu_machine() { awk -v hz="$ticks" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) * 1000000 / hz }' /proc/stat; }

# memory PID FIELD: VmRSS or VmHWM in MB.
memory() { awk -v field="$2:" '$1 == field { printf "%.0f", $2 / 1024 }' "/proc/$1/status"; }

# memory_tree PID...: memory of several processes and their children in MB, counting shared pages once.
memory_tree() {
    each_of "$@" | xargs -I{} cat /proc/{}/smaps_rollup | awk '
        $1 ~ /^Private_(Clean|Dirty):/ { private += $2 }
        $1 ~ /^Shared_(Clean|Dirty):/ { shared += $2 }
        $1 == "Locked:" { if (shared > most) most = shared; shared = 0 }
        END { printf "%.0f", (private + most) / 1024 }'
}

# median FILE VARIANT COLUMN, range FILE VARIANT COLUMN: of the rows that start with VARIANT.
median() { awk -F'\t' -v v="$2" -v c="$3" '$1 == v { print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
range() { awk -F'\t' -v v="$2" -v c="$3" '$1 == v { print $c }' "$1" | sort -n | awk 'NR == 1 { min = $1 } END { print min "–" $1 }'; }

# percentiles: the 50th and the 99th of the numbers on standard input.
percentiles() { sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.5) + 1], v[int(NR * 0.99) + 1] }'; }

# bar NAME FIGURE OPERATOR LIMIT: a table row that says whether the figure meets the limit.
bar() { awk -v name="$1" -v x="$2" -v op="$3" -v y="$4" 'BEGIN { met = op == ">=" ? x >= y : x <= y; printf "| %s | %s | %s %s | %s |\n", name, x, op == ">=" ? "≥" : "≤", y, met ? "met" : "**not met**" }'; }

# chart TITLE [each]: an SVG of horizontal bars from tab-separated rows of label, value and colour; a row without a value is a heading.
# With each, every heading starts a new scale.
chart() {
    awk -F'\t' -v title="$1" -v each="${2:-}" '
        $2 == "" && each { group++ }
        { label[NR] = $1; value[NR] = $2; fill[NR] = $3; groups[NR] = group + 0; if ($2 + 0 > most[group + 0]) most[group + 0] = $2 + 0 }
        END {
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 %d\" font-family=\"sans-serif\" font-size=\"13\">\n", NR * 34 + 46
            printf "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/><text x=\"10\" y=\"24\" font-weight=\"bold\">%s</text>\n", title
            for (i = 1; i <= NR; i++) {
                y = i * 34 + 8
                if (value[i] == "") { printf "<text x=\"10\" y=\"%d\" font-style=\"italic\">%s</text>\n", y + 19, label[i]; continue }
                width = 400 * value[i] / most[groups[i]]
                printf "<text x=\"340\" y=\"%d\" text-anchor=\"end\">%s</text><rect x=\"350\" y=\"%d\" width=\"%.0f\" height=\"20\" fill=\"%s\"/><text x=\"%.0f\" y=\"%d\">%s</text>\n", y + 15, label[i], y, width, fill[i], 356 + width, y + 15, value[i]
            }
            print "</svg>"
        }'
}

# keep_results FILE...: copies them to bench/results.
keep_results() {
    mkdir -p "$bench/results"
    cp "$@" "$bench/results/"
    echo "Written to bench/results: $(basename -a "$@" | paste -sd' ' -)."
}

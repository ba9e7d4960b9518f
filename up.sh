#!/usr/bin/env bash
# Sets up and runs the whole system. See --help.
# shellcheck disable=SC2034
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup.sh

readonly usage="Usage: ./up.sh [options]

Builds UserSvc and runs it on this machine: PostgreSQL, instances of the user service, the edge in front of them, and the Aspire
dashboard. Prints where everything is when it is ready. Ctrl-C or SIGTERM stops everything. Users survive a restart.

  --replicas N      instances of the user service, 1 to 20 (default 3)
  --sidecars        put a sidecar proxy in front of each instance, which then listens on loopback only
  --port P          the edge's port (default 8080)
  --health-port P   the edge's health port (default 8002)
  --admin-port P    the edge's admin port, on 127.0.0.1 only (default 8001)
  --tls             also serve https, with the .NET development certificate if there is one, otherwise one created in .local/tls
  --tls-port P      the https port (default 8443); implies --tls
  --fresh           delete all users first
  --no-dashboard    run without the dashboard
  --install         install PostgreSQL with apt-get if it is missing and no container runtime answers
  --help            print this text

The same without this script: dotnet run --project UserSvc.AppHost -- --Replicas 5"

replicas='' sidecars='' port='' health_port='' admin_port='' tls='' tls_port='' fresh='' no_dashboard='' install=false
parse_options "$@"
if [[ $tls_port ]]; then tls=true; fi

require_sdk
container_runtime_answers || require_postgres 'no container runtime (docker, podman) answers, and PostgreSQL is not installed: start the first, or install the second'

apphost_options=()
# The AppHost ignores case: --healthport sets HealthPort.
for option in replicas sidecars port health_port admin_port tls tls_port fresh; do
  [[ -z ${!option} ]] || apphost_options+=("--${option//_/}" "${!option}")
done
[[ -z $no_dashboard ]] || apphost_options+=(--Dashboard false)

# Replaces this process, so that a signal to up.sh reaches the AppHost, which stops everything in order.
exec dotnet run --project UserSvc.AppHost -- ${apphost_options[@]+"${apphost_options[@]}"}

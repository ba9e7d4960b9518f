#!/usr/bin/env bash
# Sets up and runs the whole system. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source ./setup.sh

usage() {
  cat <<'EOF'
Usage: ./up.sh [options]

Builds and runs UserSvc on this machine: PostgreSQL, instances of the user service, the edge in front of them, and the Aspire
dashboard. Prints where everything is when it is ready. Ctrl-C, or SIGTERM, stops it all. Users survive a restart.

  --replicas N      instances of the user service, 1 to 20 (default 3)
  --sidecars        put a sidecar proxy before each instance, which then listens on loopback alone
  --port P          the edge's port (default 8080)
  --health-port P   the edge's health port (default 8002)
  --admin-port P    the edge's admin port, on 127.0.0.1 alone (default 8001)
  --tls             serve https too, with the .NET development certificate where there is one, or one made here
  --tls-port P      the port for it (default 8443); implies --tls
  --fresh           delete all users first
  --no-dashboard    do without the dashboard
  --install         install PostgreSQL by apt-get when neither it nor a container runtime is there
  --help            this text

Without this script: dotnet run --project UserSvc.AppHost -- --Replicas 5
EOF
}

install=false apphost_options=()
while (($#)); do
  option=$1
  case $option in
    --*=*) set -- "${option%%=*}" "${option#*=}" "${@:2}"; continue ;;
    --replicas | --port | --health-port | --admin-port | --tls-port)
      (($# > 1)) || fail "$option lacks its value"
      [[ $option != --tls-port ]] || apphost_options+=(--Tls true)
      # The AppHost's name for --health-port is --HealthPort, in any case.
      apphost_options+=("--${option//-/}" "$2")
      shift ;;
    --sidecars | --tls | --fresh) apphost_options+=("$option" true) ;;
    --no-dashboard) apphost_options+=(--Dashboard false) ;;
    --install) install=true ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$option'" ;;
  esac
  shift
done

require_sdk
if ! container_runtime_answers && ! has_postgres; then
  may_install || fail "neither a container runtime (docker, podman) answers nor is PostgreSQL installed: start one, or install it ($(install_hint postgresql postgresql@17 postgresql-server))"
  install_postgres
fi

# In this process's place: what stops up.sh is received by the AppHost, which stops the rest in order.
exec dotnet run --project UserSvc.AppHost -- ${apphost_options[@]+"${apphost_options[@]}"}

#!/usr/bin/env bash
# Sets up and runs the whole system. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly dashboard_version=13.5.4

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
  --setup           only check and set up; build and run nothing
  --feed            only find out whether the package feed has Aspire's packages
  --help            this text
EOF
}

say() { printf 'up.sh: %s\n' "$*"; }
fail() { printf 'up.sh: %s\n' "$*" >&2; exit 1; }

# --- options ---------------------------------------------------------------------------------------------------------------
install=false setup_only=false feed_only=false dashboard=true
apphost_options=()

number() { # option, value, least, most
  [[ "$2" =~ ^[0-9]{1,5}$ ]] && ((10#$2 >= $3 && 10#$2 <= $4)) || fail "$1 needs a whole number from $3 to $4, not '$2'"
}

while (($#)); do
  option=$1 value=${2-}
  case $option in
    --*=*) set -- "${option%%=*}" "${option#*=}" "${@:2}"; continue ;;
    --replicas) number "$option" "$value" 1 20; apphost_options+=(--Replicas "$value"); shift 2 ;;
    --sidecars) apphost_options+=(--Sidecars true); shift ;;
    --port) number "$option" "$value" 1 65535; apphost_options+=(--Port "$value"); shift 2 ;;
    --health-port) number "$option" "$value" 1 65535; apphost_options+=(--HealthPort "$value"); shift 2 ;;
    --admin-port) number "$option" "$value" 1 65535; apphost_options+=(--AdminPort "$value"); shift 2 ;;
    --tls) apphost_options+=(--Tls true); shift ;;
    --tls-port) number "$option" "$value" 1 65535; apphost_options+=(--Tls true --TlsPort "$value"); shift 2 ;;
    --fresh) apphost_options+=(--Fresh true); shift ;;
    --no-dashboard) dashboard=false; apphost_options+=(--Dashboard false); shift ;;
    --install) install=true; shift ;;
    --setup) setup_only=true; shift ;;
    --feed) feed_only=true; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$option'" ;;
  esac
done

# --- a second run ----------------------------------------------------------------------------------------------------------
# Checked before the build, which would change the programs under the running system.
require_sole_run() {
  local holder
  holder=$(cat .local/lock.holder 2>/dev/null || true)
  # ps is missing on small Linux systems, /proc on macOS.
  if [[ -n "$holder" ]] && { tr '\0' ' ' <"/proc/$holder/cmdline" || ps -p "$holder" -o args=; } 2>/dev/null | grep -q 'UserSvc\.AppHost'; then
    fail "UserSvc already runs from here, as process $holder: use that one, or stop it first (Ctrl-C, or kill $holder)"
  fi
}

# --- the SDK ---------------------------------------------------------------------------------------------------------------
require_sdk() {
  local page=https://dotnet.microsoft.com/download output
  command -v dotnet >/dev/null || fail "the .NET SDK 10 is missing: install it from $page"
  if ! output=$(dotnet --version 2>&1); then
    case $output in
      *libicu*) fail "ICU is missing, which .NET needs for text: install it (Debian, Ubuntu: apt-get install libicu-dev; Fedora: dnf install libicu; Alpine: apk add icu-libs icu-data-full)" ;;
      *) fail "the .NET SDK 10 is needed, as global.json says, and only these are installed: $(dotnet --list-sdks 2>/dev/null | tr '\n' ' '). Install it from $page" ;;
    esac
  fi
}

# --- the package feed ------------------------------------------------------------------------------------------------------
# The trial is repeated at each run: it costs two or three seconds, and a feed may gain Aspire's packages, or lose them.
find_feed() {
  local known='' found log
  [[ -f .local/feed.props ]] && known=$(sed -n 's:.*<AspirePackages>\(.*\)</AspirePackages>.*:\1:p' .local/feed.props)
  mkdir -p .local
  log=.local/restore.log
  if AspirePackages=true dotnet restore UserSvc.AppHost/UserSvc.AppHost.csproj >"$log" 2>&1; then
    found=true
  elif only_aspire_is_missing "$log"; then
    found=false
  elif [[ "$known" == false ]]; then
    # Out of reach for now; what was found out before holds, and the build stops by itself if it needs the feed.
    found=false
  else
    cat "$log" >&2
    fail 'packages cannot be restored, for the reasons above'
  fi

  if [[ $found == false ]]; then
    say "this package feed lacks Aspire's packages: going on without them (AspirePackages=false), as plain processes"
  fi
  if [[ "$found" != "$known" ]]; then
    printf '<Project><PropertyGroup><AspirePackages>%s</AspirePackages></PropertyGroup></Project>\n' "$found" >.local/feed.props
  fi
  aspire=$found
}

# An unreachable feed looks the same in the errors ("Unable to find package") and differs by a mere warning. A feed may have Aspire in
# other versions than this one ("Found 3 version(s) in …", NU1603): they are not what was built and tested here.
only_aspire_is_missing() { # restore log
  ! grep -qE 'Unable to load the service index|NU1301' "$1" &&
    grep -qE 'error.*(NU110[123]|NU1603|MSB4236).*Aspire\.' "$1" &&
    ! grep -E '(^|[ :])error([ :]|$)' "$1" |
      grep -vE '(NU110[123]|NU1603|MSB4236).*Aspire\.|Could not resolve SDK "Aspire\.|Unable to find package Aspire\.|SDK resolver ".*" returned null|- Found [0-9]+ version\(s\) in ' | grep -q .
}

# --- PostgreSQL ------------------------------------------------------------------------------------------------------------
container_runtime_answers() {
  local runtime
  for runtime in docker podman; do
    if command -v "$runtime" >/dev/null && $(command -v timeout >/dev/null && echo timeout 5) "$runtime" ps --quiet >/dev/null 2>&1; then
      return 0
    fi
  done
  return 1
}

# The same places as UserSvc.AppHost/Postgres/PostgresBinaries.cs.
has_postgres() {
  command -v postgres >/dev/null && return 0
  local folder
  for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    [[ -x "$folder/postgres" && -x "$folder/initdb" ]] && return 0
  done
  return 1
}

install_postgres() {
  local as_root=() policy=/etc/postgresql-common/createcluster.d/usersvc.conf
  ((EUID == 0)) || as_root=(sudo)
  say 'installing PostgreSQL by apt-get (its programs only: no cluster is made, no service is started)'
  ${as_root[@]+"${as_root[@]}"} mkdir -p "${policy%/*}"
  echo 'create_main_cluster = false' | ${as_root[@]+"${as_root[@]}"} tee "$policy" >/dev/null
  local installed=true
  ${as_root[@]+"${as_root[@]}"} sh -c 'apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql' >.local/apt.log 2>&1 </dev/null || installed=false
  ${as_root[@]+"${as_root[@]}"} rm -f "$policy"
  $installed || { tail -n 20 .local/apt.log >&2; fail 'PostgreSQL cannot be installed, for the reasons above'; }
}

require_postgres() {
  if container_runtime_answers || has_postgres; then
    return
  fi
  local command='apt-get install postgresql'
  if command -v apt-get >/dev/null && { $install || { ((EUID == 0)) && [[ ! -t 0 ]]; }; }; then
    install_postgres
    has_postgres || fail 'PostgreSQL was installed, but its programs are not where they are looked for'
    return
  fi
  command -v apt-get >/dev/null || case $(uname -s) in
    Darwin) command='brew install postgresql@17' ;;
    *) command='dnf install postgresql-server, or what your system calls PostgreSQL' ;;
  esac
  fail "neither a container runtime (docker, podman) answers nor is PostgreSQL installed: start one, or install it ($command$(command -v apt-get >/dev/null && echo ', or ./up.sh --install'))"
}

# --- the dashboard ---------------------------------------------------------------------------------------------------------
# With Aspire's packages the AppHost brings its own. That there is none is never a reason to stop.
find_dashboard() {
  if [[ $aspire == true || $dashboard == false ]] || command -v aspire >/dev/null; then
    return
  fi
  local platform package
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64) platform=linux-arm64 ;;
    Darwin-arm64) platform=osx-arm64 ;;
    Darwin-x86_64) platform=osx-x64 ;;
    *) say "no dashboard: there is none for $(uname -sm)"; return ;;
  esac
  if [[ $platform == linux-* ]] && ldd --version 2>&1 | grep -qi musl; then
    platform=linux-musl-${platform#linux-}
  fi
  package=@microsoft/aspire-cli-$platform
  if grep -qs "\"version\": *\"$dashboard_version\"" ".local/dashboard/node_modules/$package/package.json"; then
    return
  fi
  command -v npm >/dev/null || { say 'no dashboard: neither the Aspire CLI nor npm, which could bring it, is installed'; return; }
  say "bringing the Aspire dashboard ($package $dashboard_version, by npm, about 50 MB)"
  if ! npm install --prefix .local/dashboard --no-save --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel error \
    "$package@$dashboard_version" >.local/npm.log 2>&1 </dev/null; then
    say "no dashboard: npm could not bring it (see .local/npm.log)"
  fi
}

# ---------------------------------------------------------------------------------------------------------------------------
$setup_only || $feed_only || require_sole_run
require_sdk
find_feed
if $feed_only; then
  exit 0
fi
require_postgres
if $setup_only; then
  exit 0
fi
find_dashboard

say 'building'
if ! dotnet build UserSvc.AppHost/UserSvc.AppHost.csproj --configuration Release --verbosity quiet --nologo >.local/build.log 2>&1; then
  cat .local/build.log >&2
  fail 'the build failed, for the reasons above'
fi

say 'starting'
# In this process's place: what stops up.sh is received by the AppHost, which stops the rest in order.
exec dotnet run --project UserSvc.AppHost --configuration Release --no-build -- ${apphost_options[@]+"${apphost_options[@]}"}

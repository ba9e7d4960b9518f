# shellcheck shell=bash
# Functions that the scripts share. Source this file; do not run it.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { say "$@" >&2; exit 1; }

# parse_options ARGUMENT...: takes the options that $usage lists. "--base-image I" sets base_image, "--dry-run" sets dry_run to true. If there is a
# function take_NAME, it gets the value instead.
parse_options() {
  local name value
  while (($#)); do
    case $1 in
      --help | -h) echo "$usage"; exit ;;
      --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    [[ "$1" =~ ^--[a-z-]+$ && "$usage" == *"  $1 "* ]] || { echo "$usage" >&2; fail "unknown option '$1'"; }
    name=${1#--} value=true
    name=${name//-/_}
    # The usage names a value after one space; a flag's description follows after more.
    if [[ "$usage" != *"  $1  "* ]]; then
      [[ -n "${2-}" && "$2" != --* ]] || fail "$1 needs a value; see --help"
      value=$2
      shift
    fi
    if declare -F "take_$name" >/dev/null; then "take_$name" "$value"; else printf -v "$name" %s "$value"; fi
    shift
  done
}

require_sdk() {
  local page=https://dotnet.microsoft.com/download output
  command -v dotnet >/dev/null || fail "the .NET SDK 10 is missing: install it from $page"
  if ! output=$(dotnet --version 2>&1); then
    case $output in
      *libicu*) fail ".NET needs ICU: install it (Debian, Ubuntu: apt-get install libicu-dev; Fedora: dnf install libicu; Alpine: apk add icu-libs icu-data-full)" ;;
      *) fail "global.json asks for the .NET SDK 10, and only these are installed: $(dotnet --list-sdks 2>/dev/null | tr '\n' ' '). Install it from $page" ;;
    esac
  fi
}

container_runtime_answers() {
  local runtime
  for runtime in docker podman; do
    if command -v "$runtime" >/dev/null && $(command -v timeout >/dev/null && echo timeout 5) "$runtime" ps --quiet >/dev/null 2>&1; then
      return 0
    fi
  done
  return 1
}

# Looks in the same places as UserSvc.AppHost/Postgres/PostgresBinaries.cs.
has_postgres() {
  local folder
  for folder in "$(dirname "$(command -v postgres || true)")" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    [[ -x "$folder/postgres" && -x "$folder/initdb" ]] && return 0
  done
  return 1
}

# Looks for the same programs as UserSvc.Tests/Edge/Admin/Browser.cs.
has_browser() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'; do
    command -v "$program" >/dev/null && return 0
  done
  return 1
}

require_postgres() { # what is wrong without it
  has_postgres && return
  may_install || fail "$1 ($(install_hint postgresql postgresql@17 postgresql-server))"
  install_postgres
}

require_pgbouncer() { # what is wrong without it
  # Debian's folder is not on every user's PATH.
  if command -v pgbouncer >/dev/null || [[ -x /usr/sbin/pgbouncer ]]; then return; fi
  may_install || fail "$1 ($(install_hint pgbouncer pgbouncer pgbouncer))"
  install_pgbouncer
}

require_browser() { # what is wrong without it
  has_browser && return
  may_install || fail "$1 ($(install_hint chromium '--cask google-chrome' chromium))"
  # With a font: a system without one shows no text.
  install_packages chromium fonts-dejavu-core
}

# Only PostgreSQL's programs: creates no cluster and starts no service.
install_postgres() {
  local policy=/etc/postgresql-common/createcluster.d/usersvc.conf
  as_root mkdir -p "${policy%/*}"
  echo 'create_main_cluster = false' | as_root tee "$policy" >/dev/null
  local installed=true
  (install_packages postgresql) || installed=false
  as_root rm -f "$policy"
  $installed || exit 1
}

# Only the program: Debian's package starts a service.
install_pgbouncer() {
  install_packages pgbouncer
  ! command -v systemctl >/dev/null || as_root systemctl disable --now pgbouncer >/dev/null 2>&1 || true
}

# Only with --install, or as root without a terminal, as in CI, where nobody can be asked.
may_install() {
  command -v apt-get >/dev/null && { $install || { ((EUID == 0)) && [[ ! -t 0 ]]; }; }
}

install_packages() { # package...
  say "installing $* with apt-get"
  mkdir -p .local
  as_root sh -c "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $*" >.local/apt.log 2>&1 </dev/null ||
    { tail -n 20 .local/apt.log >&2; fail "could not install $*; the reasons are above"; }
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# Prints the command that installs it on this system.
install_hint() { # apt's package, brew's, dnf's
  if command -v apt-get >/dev/null; then echo "apt-get install $1, or ${0##*/} --install"
  elif [[ $(uname -s) == Darwin ]]; then echo "brew install $2"
  else echo "dnf install $3, or your system's package"; fi
}

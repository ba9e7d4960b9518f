# What up.sh and test.sh need on this machine; not run by itself.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

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
  local folder
  for folder in "$(dirname "$(command -v postgres || true)")" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
    [[ -x "$folder/postgres" && -x "$folder/initdb" ]] && return 0
  done
  return 1
}

# The same programs as UserSvc.Tests/Edge/Admin/Browser.cs.
has_browser() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'; do
    command -v "$program" >/dev/null && return 0
  done
  return 1
}

# PostgreSQL's programs alone: no cluster is made, no service is started.
install_postgres() {
  local policy=/etc/postgresql-common/createcluster.d/usersvc.conf
  as_root mkdir -p "${policy%/*}"
  echo 'create_main_cluster = false' | as_root tee "$policy" >/dev/null
  local installed=true
  (install_packages postgresql) || installed=false
  as_root rm -f "$policy"
  $installed || exit 1
}

# With a font: a system without any shows no text.
install_browser() {
  install_packages chromium fonts-dejavu-core
}

# Asked for by --install; root without a terminal, as in CI, has nobody to ask.
may_install() {
  command -v apt-get >/dev/null && { $install || { ((EUID == 0)) && [[ ! -t 0 ]]; }; }
}

install_packages() { # package...
  say "installing $* by apt-get"
  mkdir -p .local
  as_root sh -c "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $*" >.local/apt.log 2>&1 </dev/null ||
    { tail -n 20 .local/apt.log >&2; fail "$* cannot be installed, for the reasons above"; }
}

as_root() {
  if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

# What to type on this system.
install_hint() { # apt's package, brew's, dnf's
  if command -v apt-get >/dev/null; then echo "apt-get install $1, or ${0##*/} --install"
  elif [[ $(uname -s) == Darwin ]]; then echo "brew install $2"
  else echo "dnf install $3, or your system's package"; fi
}

# What deploy/up.sh and deploy/down.sh share; not run by itself.

readonly release=usersvc
context='' namespace=usersvc dry_run=false

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# A command that changes something: with --dry-run it is only shown.
run() {
  if ! $dry_run; then
    "$@"
    return
  fi
  case $1 in
    cluster) shown kubectl --context "$context" --namespace "$namespace" "${@:2}" ;;
    chart) shown helm --kube-context "$context" --namespace "$namespace" "${@:2}" ;;
    *) shown "$@" ;;
  esac
}

# Quoted where a shell would need it; printf %q quotes commas too.
shown() {
  local word
  printf ' '
  for word; do
    if [[ "$word" =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then printf ' %s' "$word"; else printf ' %q' "$word"; fi
  done
  printf '\n'
}

# --option=value is taken for --option value.
declare -a arguments=()
split_options() {
  local argument
  for argument; do
    case $argument in
      --*=*) arguments+=("${argument%%=*}" "${argument#*=}") ;;
      *) arguments+=("$argument") ;;
    esac
  done
}

require_value() { # option, value
  [[ -n "$2" && "$2" != --* ]] || fail "$1 lacks its value; see --help"
}

require_tool() { # program, where to get it
  command -v "$1" >/dev/null || fail "$1 is missing: install it from $2"
}

require_cluster() {
  require_tool kubectl https://kubernetes.io/docs/tasks/tools/
  local known
  known=$(kubectl config get-contexts -o name 2>/dev/null | tr '\n' ' ')
  if [[ -n "$context" ]]; then
    [[ " $known" == *" $context "* ]] || fail "there is no context '$context'. Known: ${known:-none}"
  else
    context=$(kubectl config current-context 2>/dev/null) || fail "no context is chosen: give one with --context, or make one (on GKE: gcloud container clusters get-credentials). Known: ${known:-none}"
  fi
  [[ "$namespace" =~ ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$ ]] || fail "'$namespace' is no name of a namespace: lower-case letters, digits and hyphens, 63 at most"
  local answer
  answer=$(kubectl --context "$context" --request-timeout 10s version 2>&1 >/dev/null) ||
    fail "the cluster of context '$context' does not answer: $(tail -n 1 <<<"$answer")"
}

cluster() { kubectl --context "$context" --namespace "$namespace" --request-timeout 60s "$@"; }
chart() { helm --kube-context "$context" --namespace "$namespace" "$@"; }

has_release() { command -v helm >/dev/null && chart status "$release" >/dev/null 2>&1; }

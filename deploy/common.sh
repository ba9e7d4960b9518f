# shellcheck shell=bash disable=SC2034,SC2154
# What deploy/up.sh and deploy/down.sh share; not run by itself.

readonly release=usersvc
readonly ours=app.kubernetes.io/name=usersvc,app.kubernetes.io/instance=$release
context='' namespace=usersvc dry_run=false

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { say "$@" >&2; exit 1; }
require_tool() { command -v "$1" >/dev/null || fail "$1 is missing: install it from $2"; }

# Takes the options that the usage lists: "--base-image I" sets base_image to I, "--dry-run" sets dry_run to true.
parse_options() {
  local name value
  while (($#)); do
    case $1 in --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;; esac
    name=${1#--} value=true
    [[ "$1" != --help ]] || { echo "$usage"; exit; }
    [[ "$1" =~ ^--[a-z-]+$ && "$usage" == *"  $1 "* ]] || { echo "$usage" >&2; fail "unknown option '$1'"; }
    if [[ "$usage" != *"  $1  "* ]]; then
      [[ -n "${2-}" && "$2" != --* ]] || fail "$1 needs a value; see --help"
      value=$2 && shift
    fi
    printf -v "${name//-/_}" %s "$value"
    [[ "$name" != values ]] || { [[ -r "$value" ]] || fail "--values: $value cannot be read"; helm_options+=(--values "$value"); }
    shift
  done
}

# Runs a command that changes something; with --dry-run only shows it.
run() { if $dry_run; then printf '  %s\n' "$(printf '%q ' "$@")"; else "$@"; fi; }

# Makes kubectl and helm the commands for the cluster and the namespace that were asked for.
find_cluster() {
  local known answer
  require_tool kubectl https://kubernetes.io/docs/tasks/tools/
  known=$(kubectl config get-contexts -o name 2>/dev/null | tr '\n' ' ')
  [[ -n "$context" ]] || context=$(kubectl config current-context 2>/dev/null) || fail "no context is current: give one with --context, or make one (on GKE: gcloud container clusters get-credentials). Known: ${known:-none}"
  [[ " $known" == *" $context "* ]] || fail "there is no context '$context'. Known: ${known:-none}"
  kubectl=(kubectl --context "$context" --namespace "$namespace") helm=(helm --kube-context "$context" --namespace "$namespace")
  answer=$("${kubectl[@]}" --request-timeout 10s version 2>&1 >/dev/null) || fail "the cluster of context '$context' does not answer: $(tail -n 1 <<<"$answer")"
}

# Whether one of the objects exists. What cannot be read is not missing: a Secret made anew would not match the disk.
exists() {
  found=$("${kubectl[@]}" get "$@" --ignore-not-found -o name) || fail "the cluster does not say whether there is $*, for the reason above"
  [[ -n "$found" ]]
}
# Asks kubectl, as Helm may be missing.
has_release() { exists secrets --selector owner=helm,name="$release"; }

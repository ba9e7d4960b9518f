# shellcheck shell=bash disable=SC2034,SC2154
# Shared by deploy/up.sh and deploy/down.sh; not run by itself.

# shellcheck source=setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

readonly release=usersvc
readonly ours=app.kubernetes.io/name=usersvc,app.kubernetes.io/instance=$release
context='' namespace=usersvc dry_run=false

require_tool() { command -v "$1" >/dev/null || fail "$1 is missing: install it from $2"; }

take_values() {
  [[ -r "$1" ]] || fail "--values needs a file that can be read, not '$1'"
  helm_options+=(--values "$1")
}

# Runs a command that changes something; --dry-run only shows it.
run() { if $dry_run; then printf '  %s\n' "$(printf '%q ' "$@")"; else "$@"; fi; }

# Sets kubectl and helm to the commands for the requested cluster and namespace.
find_cluster() {
  local known answer
  require_tool kubectl https://kubernetes.io/docs/tasks/tools/
  known=$(kubectl config get-contexts -o name 2>/dev/null | tr '\n' ' ')
  [[ -n "$context" ]] || context=$(kubectl config current-context 2>/dev/null) || fail "kubectl has no current context: choose one with --context, or create one (on GKE: gcloud container clusters get-credentials). Known: ${known:-none}"
  [[ " $known" == *" $context "* ]] || fail "there is no context '$context'. Known: ${known:-none}"
  kubectl=(kubectl --context "$context" --namespace "$namespace") helm=(helm --kube-context "$context" --namespace "$namespace")
  answer=$("${kubectl[@]}" --request-timeout 10s version 2>&1 >/dev/null) || fail "the cluster of context '$context' does not answer: $(tail -n 1 <<<"$answer")"
}

# Whether one of the objects exists. Fails if the cluster does not answer, because a new Secret would not match the disk.
exists() {
  found=$("${kubectl[@]}" get "$@" --ignore-not-found -o name) || fail "could not find out whether $* exists; the reason is above"
  [[ -n "$found" ]]
}

# Asks kubectl, because Helm may be missing.
has_release() { exists secrets --selector owner=helm,name="$release"; }

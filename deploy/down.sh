#!/usr/bin/env bash
# Removes what deploy/up.sh installed. See --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/common.sh

usage() {
  cat <<'USAGE'
Usage: deploy/down.sh [options]

Removes what deploy/up.sh installed, by Helm or by Kustomize. The users stay, on the database's disk, with the Secret that has its
password: deploy/up.sh finds them again. Images stay in their registry.

  --context C      kubectl's context (default: the current one)
  --namespace N    default usersvc
  --delete-data    delete the users too, for good, and the namespace if deploy/up.sh made it and nothing else is in it
  --dry-run        show what would be done; change nothing
  --help           this text
USAGE
}

delete_data=false

split_options "$@"
set -- ${arguments[@]+"${arguments[@]}"}
while (($#)); do
  case $1 in
    --context | --namespace) require_value "$1" "${2-}" ;;
  esac
  case $1 in
    --context) context=$2; shift 2 ;;
    --namespace) namespace=$2; shift 2 ;;
    --delete-data) delete_data=true; shift ;;
    --dry-run) dry_run=true; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$1'" ;;
  esac
done

readonly ours=app.kubernetes.io/name=usersvc,app.kubernetes.io/instance=$release
readonly database=postgres-secrets
kinds=deployments,statefulsets,services,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies

require_cluster
kubectl --context "$context" get namespace "$namespace" >/dev/null 2>&1 || { say "there is no namespace '$namespace': nothing to remove"; exit 0; }

if has_release; then
  say "removing the release $release from $namespace"
  run chart uninstall "$release" --wait --timeout 300s
elif [[ -n "$(cluster get deployments --selector "$ours" -o name)" ]] && ! command -v helm >/dev/null &&
  [[ -n "$(cluster get secrets --selector owner=helm,name="$release" -o name)" ]]; then
  fail 'the system was installed by Helm, which is not here: install it from https://helm.sh/docs/intro/install/'
fi

# What there are definitions of: a cluster need not know the last ones.
for kind in gateways.gateway.networking.k8s.io httproutes.gateway.networking.k8s.io healthcheckpolicies.networking.gke.io podmonitorings.monitoring.googleapis.com; do
  ! kubectl --context "$context" get crd "$kind" >/dev/null 2>&1 || kinds+=,$kind
done
say "removing what is left of it in $namespace"
run cluster delete "$kinds" --selector "$ours" --ignore-not-found --timeout 300s --request-timeout 0
for secret in $(cluster get secrets --selector "$ours" -o name); do
  [[ "$secret" == "secret/$database" ]] || run cluster delete "$secret" --ignore-not-found
done
run cluster wait pods --selector "$ours" --for delete --timeout 120s --request-timeout 0

if $delete_data; then
  say 'deleting the users'
  run cluster delete persistentvolumeclaim/data-postgres-0 "secret/$database" --ignore-not-found --timeout 120s --request-timeout 0
  if [[ "$(kubectl --context "$context" get namespace "$namespace" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/created-by}')" == usersvc ]]; then
    others=$(cluster get all,configmaps,secrets,persistentvolumeclaims -o name | grep -vE '^configmap/(kube-root-ca|openshift-service-ca)\.crt$' || true)
    if [[ -z "$others" ]] || $dry_run; then
      run kubectl --context "$context" delete namespace "$namespace" --timeout 120s
    else
      say "the namespace $namespace stays: it holds $(head -n 5 <<<"$others" | tr '\n' ' ')"
    fi
  fi
elif [[ -n "$(cluster get persistentvolumeclaim/data-postgres-0 --ignore-not-found -o name)" ]]; then
  say "the users stay, in persistentvolumeclaim/data-postgres-0 with secret/$database; --delete-data deletes them"
fi

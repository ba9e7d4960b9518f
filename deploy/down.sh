#!/usr/bin/env bash
# Removes what deploy/up.sh installed. See --help.
set -euo pipefail
# shellcheck source=deploy/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly usage="Usage: deploy/down.sh [options]

Removes what deploy/up.sh installed with Helm or Kustomize. The users stay on the database's disk, and the Secret with the database's
password stays too, so that deploy/up.sh can use both again. Images stay in their registry.

  --context C      kubectl's context (default: the current one)
  --namespace N    default usersvc
  --delete-data    also delete the users, for good, and the namespace if deploy/up.sh created it and nothing else is in it
  --dry-run        show what would happen; change nothing
  --help           print this text"

delete_data=false
parse_options "$@"
find_cluster
exists namespace "$namespace" || { say "there is no namespace '$namespace', so there is nothing to remove"; exit 0; }

say "removing the system from $namespace"
if has_release; then
  require_tool helm https://helm.sh/docs/intro/install/
  run "${helm[@]}" uninstall "$release" --wait --timeout 300s
fi
kinds=deployments,statefulsets,services,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies
# Some clusters lack these kinds.
for kind in gateways.gateway.networking.k8s.io httproutes.gateway.networking.k8s.io healthcheckpolicies.networking.gke.io podmonitorings.monitoring.googleapis.com; do
  ! "${kubectl[@]}" get crd "$kind" >/dev/null 2>&1 || kinds+=,$kind
done
run "${kubectl[@]}" delete "$kinds" --selector "$ours" --ignore-not-found --timeout 300s
run "${kubectl[@]}" delete pods --selector "app.kubernetes.io/instance=$release" --ignore-not-found --timeout 120s
run "${kubectl[@]}" delete secrets --selector "$ours" --field-selector metadata.name!=postgres-secrets --ignore-not-found

if $delete_data; then
  run "${kubectl[@]}" delete persistentvolumeclaim/data-postgres-0 secret/postgres-secrets --ignore-not-found --timeout 120s
  exists namespace --selector app.kubernetes.io/created-by=usersvc --field-selector metadata.name="$namespace" || exit 0
  exists all,configmaps,secrets,persistentvolumeclaims || true
  others=$(grep -vE '^configmap/(kube-root-ca|openshift-service-ca)\.crt$' <<<"$found" | tr "\n" " " || true)
  $dry_run || [[ -z "${others// /}" ]] || { say "the namespace $namespace stays, because it holds $others"; exit 0; }
  run "${kubectl[@]}" delete namespace "$namespace" --timeout 120s
elif exists persistentvolumeclaim/data-postgres-0; then
  say "the users stay in persistentvolumeclaim/data-postgres-0 and secret/postgres-secrets; --delete-data deletes both"
fi

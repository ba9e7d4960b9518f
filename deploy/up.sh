#!/usr/bin/env bash
# Builds the images, pushes them and installs the system in a Kubernetes cluster. See --help.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/common.sh
source "$root/deploy/common.sh"

readonly usage="Usage: deploy/up.sh --registry R [options]

Builds the images of the user service and the edge, pushes them to registry R, installs the system in a Kubernetes cluster (1.30 or
later), waits until it is ready and prints the edge's address. Run it again to update. See docs/gke.md.

  --registry R          where images go, such as europe-west1-docker.pkg.dev/PROJECT/REPO; the cluster must be able to pull from it
  --context C           kubectl's context (default: the current one)
  --namespace N         default usersvc; created if it is missing, with Pod Security level restricted
  --chart DIR           the chart to install (default deploy/helm); docs/gke.md explains how to publish others
  --values FILE         values for the chart; may be repeated
  --kustomize           install with Kustomize instead, from deploy/aspirate/overlays/local
  --overlay NAME        install with Kustomize from another overlay
  --tag T               the images' tag (default: the commit)
  --no-build            use the images with that tag, which the registry already has
  --base-image I        build on this image instead of Microsoft's aspnet:10.0-noble-chiseled-extra
  --postgres-image I    run this image instead of docker.io/library/postgres
  --timeout SECONDS     how long to wait for the system (default 300)
  --dry-run             check, and show what would happen; change nothing
  --help                print this text"

check_options() {
  [[ -n "$registry" ]] || fail '--registry is required; see --help'
  local host_and_path='^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*$'
  registry=${registry%/}
  [[ "$registry" =~ $host_and_path ]] || fail "'$registry' is not a registry: give a host and a path in lower case, without http://, such as europe-west1-docker.pkg.dev/project/repository"
  [[ "$timeout" =~ ^[1-9][0-9]{0,4}$ ]] || fail "--timeout needs a number of seconds, not '$timeout'"
  [[ -z "$postgres_image" || "$postgres_image" =~ ^[^@]*[^/]:[^/]+$ ]] || fail "--postgres-image needs a name with a tag, not '$postgres_image'"
  if $kustomize || [[ -n "$overlay" ]]; then
    kustomize=true overlay=${overlay:-local}
    [[ -z "$chart${helm_options[*]-}" ]] || fail '--chart and --values are for Helm: with --kustomize write your own overlay, see deploy/aspirate/README.md'
    [[ -d "$root/deploy/aspirate/overlays/$overlay" ]] || fail "there is no overlay '$overlay'. Known: $(cd "$root/deploy/aspirate/overlays" && echo *)"
  else
    [[ -r "$chart/Chart.yaml" || -z "$chart" ]] || fail "there is no chart in $chart"
    require_tool helm https://helm.sh/docs/intro/install/
  fi
  if [[ -z "$tag" ]]; then
    tag=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || fail 'there is no commit to name the images after: give --tag'
    # Uncommitted changes get a different tag, because nodes keep the images they have pulled.
    $no_build || [[ -z "$(git -C "$root" status --porcelain -- UserSvc.Api UserSvc.Edge UserSvc.ServiceDefaults 'Directory.*' global.json)" ]] || tag+=-$(date -u +%Y%m%d%H%M%S)
  fi
  [[ "$tag" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || fail "'$tag' is not a valid image tag: give another with --tag"
}

# Shows a command's output only if it fails.
quietly() {
  run "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2 && return 1; }
  ! $dry_run || cat "$work/log"
}

build_image() { # project, image
  local host=${registry%%/*} path=$registry/$2
  say "building and pushing $path:$tag"
  # A local registry speaks plain HTTP.
  case $host in localhost | localhost:* | 127.0.0.1:*) export DOTNET_CONTAINER_INSECURE_REGISTRIES=$host ;; esac
  (cd "$root" && quietly dotnet publish "$1" --configuration Release --target:PublishContainer --verbosity quiet --nologo -p:ContainerRegistry="$host" \
    -p:ContainerRepository="${path#*/}" -p:ContainerImageTag="$tag" ${base_image:+-p:ContainerBaseImage="$base_image"}) ||
    fail "could not build the image $2 or push it to $registry; the reason is above (are you logged in? On Google Cloud: gcloud auth configure-docker $host)"
}

make_namespace() {
  run "${kubectl[@]}" create namespace "$namespace"
  run "${kubectl[@]}" label namespace "$namespace" app.kubernetes.io/created-by=usersvc pod-security.kubernetes.io/{enforce,audit,warn}=restricted pod-security.kubernetes.io/enforce-version=v1.30
}

check_release() {
  ! $kustomize || { ! has_release || fail "the namespace $namespace holds the system as a Helm release: leave out --kustomize, or run deploy/down.sh first"; return; }
  case $("${helm[@]}" status "$release" 2>/dev/null | sed -n 's/^STATUS: //p') in
    pending-install) fail "an earlier installation is still running or was interrupted. If it is not running, run deploy/down.sh --context $context --namespace $namespace first" ;;
    pending-*) fail "an earlier update or rollback is still running or was interrupted. If it is not running, run ${helm[*]} rollback $release --force-conflicts first (with Helm 3, omit the last option)" ;;
    '') ! exists deployment/edge || fail "the namespace $namespace holds an edge that Helm did not install: add --kustomize, or run deploy/down.sh first" ;;
  esac
}

install_chart() {
  # Version 1 of the chart created it, and its pods need it until they are replaced.
  ! exists secret/usersvc-secrets || run "${kubectl[@]}" annotate --overwrite secret/usersvc-secrets helm.sh/resource-policy=keep
  # Helm 4 refuses to change fields that kubectl has set.
  [[ "$(helm version --template '{{.Version}}')" == v3* ]] || helm_options+=(--server-side true --force-conflicts)
  helm_options+=(--set-string "image.registry=$registry,image.tag=$tag${postgres_image:+,postgres.image=$postgres_image}")
  quietly "${helm[@]}" upgrade --install "$release" "${chart:-$root/deploy/helm}" "${helm_options[@]}" --wait --timeout "${timeout}s" ||
    { show_pods; fail 'could not install the chart, or the system did not become ready; the reasons are above'; }
}

make_secret() { # name, key
  ! grep -q "name: $1\$" "$work/system.yaml" || exists "secret/$1" || run "${kubectl[@]}" create -f - <<SECRET
{ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "$1", "labels": { "app.kubernetes.io/name": "usersvc", "app.kubernetes.io/instance": "$release" } },
  "stringData": { "$2": "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')" } }
SECRET
}

install_overlay() {
  local address api_server='' postgres='' workload
  for address in $("${kubectl[@]}" --namespace default get endpointslices --selector kubernetes.io/service-name=kubernetes -o 'jsonpath={.items[*].endpoints[*].addresses[*]}'); do
    case $address in *:*) address+=/128 ;; *) address+=/32 ;; esac
    api_server+="${api_server:+, }{ \"ipBlock\": { \"cidr\": \"$address\" } }"
  done
  [[ -n "$api_server" ]] || fail "could not read the API server's addresses, which the NetworkPolicy needs: make sure that you may list EndpointSlices in the namespace default"
  [[ -z "$postgres_image" ]] || postgres="- { name: docker.io/library/postgres, newName: ${postgres_image%:*}, newTag: '${postgres_image##*:}' }"
  cat >"$work/kustomization.yaml" <<KUSTOMIZATION
namespace: $namespace
resources: [../../deploy/aspirate/overlays/$overlay]
patches:
- target: { kind: NetworkPolicy, name: edge }
  patch: '[{ "op": "replace", "path": "/spec/egress/0/to", "value": [$api_server] }]'
images:
- { name: usersvc, newName: $registry/usersvc, newTag: "$tag" }
- { name: edge, newName: $registry/edge, newTag: "$tag" }
$postgres
KUSTOMIZATION
  kubectl kustomize "$work" >"$work/system.yaml" || fail "could not render the overlay $overlay; the reason is above"
  [[ "$(grep -cE "image: $registry/(usersvc|edge):$tag\$" "$work/system.yaml")" -ge 2 ]] || fail "the overlay $overlay names other images: name them usersvc and edge, so that up.sh can replace them"
  exists secret/usersvc-admin || [[ -z "$("${kubectl[@]}" get deployment/usersvc --ignore-not-found -o 'jsonpath={..secretRef.name}')" ]] || fail "an earlier version runs here: copy its administrator's key first, as deploy/aspirate/README.md explains"
  make_secret usersvc-admin Admin__Key
  make_secret postgres-secrets POSTGRES_PASSWORD
  quietly "${kubectl[@]}" apply -f "$work/system.yaml" || fail 'could not apply the overlay; the reasons are above'
  exists deployments,statefulsets --selector "$ours" || true
  for workload in $found; do
    quietly "${kubectl[@]}" rollout status "$workload" --timeout "${timeout}s" || { show_pods; fail "$workload did not become ready within $timeout s"; }
  done
}

show_pods() { { "${kubectl[@]}" get pods; "${kubectl[@]}" get events --field-selector type=Warning --sort-by .lastTimestamp | tail -n 10; } >&2 || true; }

show_address() {
  local scheme=http what=service/edge path='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}' address='' secret deadline=$((SECONDS + timeout))
  ! "${kubectl[@]}" get gateway.gateway.networking.k8s.io/edge >/dev/null 2>&1 || what=gateway.gateway.networking.k8s.io/edge scheme=https path='{.status.addresses[0].value}'
  [[ "$("${kubectl[@]}" get service/edge -o 'jsonpath={.spec.ports[*].port}')" != *443* ]] || scheme=https
  # A Service of another type never gets an address.
  if [[ $what == gateway* || "$("${kubectl[@]}" get service/edge -o 'jsonpath={.spec.type}')" == LoadBalancer ]]; then
    until address=$("${kubectl[@]}" get "$what" -o "jsonpath=$path") && [[ -n "$address" ]] || ((SECONDS > deadline)); do sleep 2; done
  fi
  secret=$("${kubectl[@]}" get deployment/usersvc -o 'jsonpath={.spec.template.spec.containers[*].env[?(@.name=="Admin__Key")].valueFrom.secretKeyRef.name}')
  printf "\nUserSvc is ready.\n\n  edge        %s\n  admin key   %s -o 'jsonpath={.data.Admin__Key}' | base64 --decode\n" "${address:+$scheme://}${address:-${kubectl[*]} port-forward service/edge 8080:80}" "${kubectl[*]} get secret $secret"
}

registry='' tag='' no_build=false kustomize=false overlay='' chart='' base_image='' postgres_image='' timeout=300 helm_options=()
parse_options "$@"
check_options
find_cluster
mkdir -p "$root/.local" && work=$(mktemp -d "$root/.local/deploy.XXXXXX") && trap 'rm -rf "$work"' EXIT
say "cluster '$context', namespace '$namespace', images $registry/…:$tag"
check_release
$no_build || { build_image UserSvc.Api usersvc; build_image UserSvc.Edge edge; }
exists namespace "$namespace" || make_namespace
say 'installing the system and waiting until it is ready'
if $kustomize; then install_overlay; else install_chart; fi
$dry_run || show_address

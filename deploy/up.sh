#!/usr/bin/env bash
# Builds the images, pushes them and installs the system in a Kubernetes cluster. See --help.
set -euo pipefail
readonly caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source deploy/common.sh

usage() {
  cat <<'USAGE'
Usage: deploy/up.sh --registry R [options]

Builds the images of the user service and the edge, pushes them to registry R, installs the system in a Kubernetes cluster (1.30 or
later), waits until it is ready and prints the edge's address. Running it again updates what is there. See docs/gke.md for GKE.

  --registry R          where images go, as europe-west1-docker.pkg.dev/PROJECT/REPO; the cluster must be able to pull from it
  --context C           kubectl's context (default: the current one)
  --namespace N         default usersvc; made if it is not there, with the Pod Security level "restricted"
  --kustomize           install by Kustomize (deploy/aspirate/overlays/local) instead of Helm
  --overlay NAME        local or gke (TLS by the Secret edge-tls, managed Prometheus); implies --kustomize
  --values FILE         values for the chart, may be given several times (deploy/helm/values.yaml lists them)
  --sidecars            a sidecar proxy before each instance, in its pod
  --tag T               the images' tag (default: the commit)
  --no-build            the images are in the registry already, under that tag
  --base-image I        build upon this image instead of Microsoft's aspnet:10.0-noble-chiseled-extra
  --postgres-image I    run this image instead of docker.io/library/postgres
  --timeout SECONDS     how long to wait for the system (default 300)
  --dry-run             check and show what would be done; change nothing
  --help                this text
USAGE
}

registry='' tag='' build=true kustomize=false overlay=local sidecars=false base_image='' postgres_image='' timeout=300
values=()

split_options "$@"
set -- ${arguments[@]+"${arguments[@]}"}
while (($#)); do
  case $1 in
    --registry | --context | --namespace | --overlay | --values | --tag | --base-image | --postgres-image | --timeout) require_value "$1" "${2-}" ;;
  esac
  case $1 in
    --registry) registry=${2%/}; shift 2 ;;
    --context) context=$2; shift 2 ;;
    --namespace) namespace=$2; shift 2 ;;
    --kustomize) kustomize=true; shift ;;
    --overlay) overlay=$2 kustomize=true; shift 2 ;;
    --values) [[ "$2" == /* ]] && values+=("$2") || values+=("$caller/$2"); shift 2 ;;
    --sidecars) sidecars=true; shift ;;
    --tag) tag=$2; shift 2 ;;
    --no-build) build=false; shift ;;
    --base-image) base_image=$2; shift 2 ;;
    --postgres-image) postgres_image=$2; shift 2 ;;
    --timeout) timeout=$2; shift 2 ;;
    --dry-run) dry_run=true; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; fail "unknown option '$1'" ;;
  esac
done

# --- what was asked for ----------------------------------------------------------------------------------------------------
check_options() {
  [[ -n "$registry" ]] || fail '--registry is required; see --help'
  [[ "$registry" =~ ^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*$ ]] || fail "'$registry' is no registry: a host and a path in lower case, without http://, as europe-west1-docker.pkg.dev/project/repository"
  [[ "$timeout" =~ ^[0-9]{1,5}$ ]] && ((10#$timeout > 0)) || fail "--timeout needs a number of seconds, not '$timeout'"
  ! $kustomize || [[ -d "deploy/aspirate/overlays/$overlay" ]] || fail "there is no overlay '$overlay'. Known: $(ls deploy/aspirate/overlays | tr '\n' ' ')"
  local file
  for file in ${values[@]+"${values[@]}"}; do
    [[ -r "$file" ]] || fail "--values: $file cannot be read"
  done
  if $kustomize; then
    ((${#values[@]} == 0)) || fail '--values is for the chart: with --kustomize write an overlay of your own, see deploy/aspirate/README.md'
  else
    require_tool helm https://helm.sh/docs/intro/install/
  fi
  if [[ -z "$tag" ]]; then
    tag=$(git rev-parse --short=12 HEAD 2>/dev/null) || fail 'this is no clone with a commit to name the images by: give --tag'
    # Another content is another tag: nodes keep what they have pulled.
    if $build && [[ -n "$(git status --porcelain -- UserSvc.Api UserSvc.Edge UserSvc.ServiceDefaults 'Directory.*' global.json)" ]]; then
      tag+=-$(date -u +%Y%m%d%H%M%S)
    fi
  fi
  if $kustomize && [[ -n "$postgres_image" && ! "$postgres_image" =~ :[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]]; then
    fail "--postgres-image needs a tag with --kustomize, as NAME:TAG, not '$postgres_image'"
  fi
  [[ "$tag" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || fail "'$tag' is no tag of an image"
}

# --- images ----------------------------------------------------------------------------------------------------------------
publish() { # project, image
  say "building and pushing $registry/$2:$tag"
  # Restored for both architectures of the image; the registry's credentials are docker's.
  if ! run dotnet publish "$1" --configuration Release --target:PublishContainer --verbosity quiet --nologo \
    -p:ContainerRegistry="${registry%%/*}" -p:ContainerRepository="$(image_path "$2")" -p:ContainerImageTag="$tag" \
    ${base_image:+-p:ContainerBaseImage="$base_image"} >.local/publish.log 2>&1; then
    { grep -E ' error ' .local/publish.log | grep -vE 'error [A-Z0-9]+:\s+at |--- End of' | sort -u | head -n 10 || tail -n 20 .local/publish.log; } >&2
    fail "the image $2 cannot be built or pushed to $registry, for the reasons above (is the registry right, and are you logged in to it? On Google Cloud: gcloud auth configure-docker ${registry%%/*})"
  fi
  ! $dry_run || cat .local/publish.log
}

image_path() { # image
  if [[ "$registry" == */* ]]; then echo "${registry#*/}/$1"; else echo "$1"; fi
}

build_images() {
  require_tool dotnet https://dotnet.microsoft.com/download
  # A registry on this machine speaks plain HTTP.
  case $registry in
    localhost[:/]* | 127.0.0.1[:/]*) export DOTNET_CONTAINER_INSECURE_REGISTRIES="${registry%%/*}${DOTNET_CONTAINER_INSECURE_REGISTRIES:+;$DOTNET_CONTAINER_INSECURE_REGISTRIES}" ;;
  esac
  publish UserSvc.Api usersvc
  publish UserSvc.Edge edge
}

# --- secrets ---------------------------------------------------------------------------------------------------------------
# They are made once and kept: what the cluster has is used again.
kept_secret() { # workload, key, Secret that outlives the workload
  local names name value
  names=$(cluster get "$1" --ignore-not-found -o 'jsonpath={.spec.template.spec.containers[0].envFrom[*].secretRef.name}') || return 1
  for name in $names "$3"; do
    value=$(cluster get secret "$name" --ignore-not-found -o "jsonpath={.data.$2}") || return 1
    value=$(base64 --decode <<<"$value") || return 1
    [[ -z "$value" ]] || { printf %s "$value"; return; }
  done
}

make_secret() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

find_secrets() {
  # Never a new password because the old one could not be read: the disk knows the old one alone.
  admin_key=$(kept_secret deployment/usersvc Admin__Key usersvc-secrets) &&
    postgres_password=$(kept_secret statefulset/postgres POSTGRES_PASSWORD postgres-secrets) ||
    fail "the secrets of namespace $namespace cannot be read, for the reason above"
  admin_key=${admin_key:-$(make_secret)}
  postgres_password=${postgres_password:-$(make_secret)}
}

# --- installation ----------------------------------------------------------------------------------------------------------
make_namespace() {
  if ! kubectl --context "$context" get namespace "$namespace" >/dev/null 2>&1; then
    say "making the namespace $namespace"
    run kubectl --context "$context" create namespace "$namespace"
    run kubectl --context "$context" label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted app.kubernetes.io/created-by=usersvc
  fi
}

# Helm refuses to go on then, and whether somebody is still at it only a person knows.
check_release() {
  local state
  state=$(chart status "$release" 2>/dev/null | sed -n 's/^STATUS: pending-//p') || true
  case $state in
    '') ;;
    install) fail "an earlier installation is under way or was cut off. If nobody is at it: deploy/down.sh --context $context --namespace $namespace, then this again" ;;
    *) fail "an earlier $state is under way or was cut off. If nobody is at it: helm --kube-context $context --namespace $namespace rollback $release --force-conflicts (Helm 3: without that), then this again" ;;
  esac
}

install_chart() {
  # Not on a command line, which others on this machine can read; the last file wins, and what the person gave comes first.
  cat >"$work/secrets.yaml" <<SECRETS
usersvc:
  adminKey: "$(escaped "$admin_key")"
postgres:
  password: "$(escaped "$postgres_password")"
SECRETS
  cat >"$work/images.yaml" <<IMAGES
image:
  registry: "$registry"
  tag: "$tag"
IMAGES
  local options=(--values "$work/secrets.yaml") file
  for file in ${values[@]+"${values[@]}"}; do
    options+=(--values "$file")
  done
  options+=(--values "$work/images.yaml")
  ! $sidecars || options+=(--set usersvc.sidecar.enabled=true)
  [[ -z "$postgres_image" ]] || options+=(--set-string "postgres.image=$postgres_image")
  # Helm 4 leaves a field alone that kubectl scale has set, and fails; a new installation sets what the chart says.
  [[ "$(helm version --template '{{.Version}}')" == v3* ]] || options+=(--server-side true --force-conflicts)
  # The password that outlived an installation by Kustomize becomes the release's.
  if ! has_release && [[ -n "$(cluster get secret/postgres-secrets --ignore-not-found -o name)" ]]; then
    run cluster annotate --overwrite secret/postgres-secrets "meta.helm.sh/release-name=$release" "meta.helm.sh/release-namespace=$namespace" >/dev/null
    run cluster label --overwrite secret/postgres-secrets app.kubernetes.io/managed-by=Helm >/dev/null
  fi
  say "installing the chart deploy/helm as release $release"
  run chart upgrade --install "$release" deploy/helm "${options[@]}" --wait --timeout "${timeout}s" >"$work/helm.log" 2>&1 || {
    cat "$work/helm.log" >&2
    show_trouble
    fail 'the chart was not installed, or the system did not become ready, for the reasons above'
  }
  ! $dry_run || cat "$work/helm.log"
}

escaped() { sed 's/["\\]/\\&/g' <<<"$1"; }

# An overlay in which images were filled in keeps those: what was just pushed would not be what runs.
require_own_images() {
  local others
  others=$(kubectl kustomize "$work" | sed -n 's/^ *\(- \)\{0,1\}image: *//p' | sort -u | grep -vxF -e "$registry/usersvc:$tag" -e "$registry/edge:$tag" -e "$postgres_image" | grep -vE '^docker\.io/library/postgres:' || true)
  [[ -z "$others" ]] || fail "the overlay $overlay names images of its own ($(tr '\n' ' ' <<<"$others")): leave its names usersvc and edge as they were, up.sh fills in the registry and the tag"
}

write_secrets() { # folder of the overlay
  printf 'Admin__Key=%s\nConnectionStrings__users=Host=postgres;Port=5432;Username=postgres;Password="%s";Database=users\n' \
    "$admin_key" "${postgres_password//\"/\"\"}" >"$1/usersvc.env"
  printf 'POSTGRES_PASSWORD=%s\n' "$postgres_password" >"$1/postgres.env"
}

install_overlay() {
  ! has_release || fail "the namespace $namespace holds the system as a Helm release: go on without --kustomize, or deploy/down.sh first"
  [[ "$overlay" != gke ]] || [[ -n "$(cluster get secret edge-tls --ignore-not-found -o name)" ]] ||
    fail "the overlay gke needs the Secret edge-tls: kubectl --context $context --namespace $namespace create secret tls edge-tls --cert FILE --key FILE"
  cp -R deploy/aspirate "$work/aspirate"
  local folder=$work/aspirate/overlays/$overlay
  if [[ -e $folder/usersvc.env || -e $folder/postgres.env ]]; then
    say "taking the secrets from the *.env files of deploy/aspirate/overlays/$overlay"
  else
    write_secrets "$folder"
  fi
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nresources:\n  - aspirate/overlays/%s\n' "$namespace" "$overlay"
    ! $sidecars || printf 'components:\n  - aspirate/components/sidecar\n'
    printf 'images:\n'
    printf '  - name: %s\n    newName: %s\n    newTag: "%s"\n' usersvc "$registry/usersvc" "$tag" edge "$registry/edge" "$tag"
    [[ -z "$postgres_image" ]] || printf '  - name: docker.io/library/postgres\n    newName: %s\n    newTag: "%s"\n' "${postgres_image%:*}" "${postgres_image##*:}"
  } >"$work/kustomization.yaml"
  require_own_images
  say "applying deploy/aspirate/overlays/$overlay"
  run cluster apply -k "$work" >"$work/apply.log" 2>&1 || { cat "$work/apply.log" >&2; fail 'the overlay was not applied, for the reasons above'; }
  ! $dry_run || cat "$work/apply.log"
}

wait_until_ready() {
  local workload
  for workload in $(cluster get statefulset/postgres --ignore-not-found -o name) deployment/usersvc deployment/edge; do
    kubectl --context "$context" --namespace "$namespace" rollout status "$workload" --timeout "${timeout}s" >"$work/rollout.log" 2>&1 || {
      cat "$work/rollout.log" >&2
      show_trouble
      fail "$workload did not become ready within $timeout s"
    }
  done
}

show_trouble() {
  cluster get pods >&2 || true
  cluster get events --field-selector type=Warning --sort-by .lastTimestamp 2>/dev/null | tail -n 10 >&2 || true
}

# --- the edge's address ----------------------------------------------------------------------------------------------------
# The Gateway's or the LoadBalancer's; neither has one where the Service is of another type.
find_address() {
  local what=service/edge path='{.status.loadBalancer.ingress[0].ip}{.status.loadBalancer.ingress[0].hostname}' until=$((SECONDS + timeout))
  address='' scheme=http
  [[ -z "$(cluster get service/edge -o 'jsonpath={.spec.ports[?(@.name=="https")].port}')" ]] || scheme=https
  if [[ -n "$(cluster get gateway.gateway.networking.k8s.io/edge --ignore-not-found -o name 2>/dev/null)" ]]; then
    what=gateway.gateway.networking.k8s.io/edge path='{.status.addresses[0].value}' scheme=https
  elif [[ "$(cluster get service/edge -o 'jsonpath={.spec.type}')" != LoadBalancer ]]; then
    return
  fi
  until address=$(cluster get "$what" -o "jsonpath=$path") && [[ -n "$address" ]]; do
    ((SECONDS < until)) || { say "the edge has no address yet: kubectl --context $context --namespace $namespace get $what"; return; }
    sleep 2
  done
}

show_address() {
  local address scheme
  find_address
  echo
  echo 'UserSvc is ready.'
  echo
  if [[ -n "$address" ]]; then
    echo "  edge        $scheme://$address"
  else
    echo "  edge        kubectl --context $context --namespace $namespace port-forward service/edge 8080:80"
  fi
  echo "  admin key   kubectl --context $context --namespace $namespace get secret $(admin_secret) -o 'jsonpath={.data.Admin__Key}' | base64 --decode"
  case $address-$scheme in
    -*) ;;
    *-http) printf '\n  curl http://%s/user/health\n' "$address" ;;
    *) printf '\n  curl --resolve HOST:443:%s https://HOST/user/health, with the name of its certificate\n' "$address" ;;
  esac
}

admin_secret() { cluster get deployment/usersvc -o 'jsonpath={.spec.template.spec.containers[0].envFrom[*].secretRef.name}' | awk '{ print $NF }'; }

# ---------------------------------------------------------------------------------------------------------------------------
check_options
require_cluster
mkdir -p .local
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "cluster '$context', namespace '$namespace', images $registry/…:$tag"
$kustomize || check_release
$build && build_images
find_secrets
make_namespace
if $kustomize; then install_overlay; else install_chart; fi
if ! $dry_run; then
  wait_until_ready
  show_address
fi

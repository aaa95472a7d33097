#!/usr/bin/env bash
# A cluster for the tests in this folder: kind, Kubewarden by its charts, and a registry on this machine with the module
# that was built.
#
#   NODE_IMAGE=kindest/node:… KUBEWARDEN=1.38 CHARTS=FOLDER e2e/kind.sh up
#   . target/e2e/env
#   make e2e-cluster
#   e2e/kind.sh pull IMAGE…
#   e2e/kind.sh down
#
# CHARTS is a checkout of github.com/kubewarden/helm-charts that has the charts of that Kubewarden. Needs docker, kind,
# helm, kwctl, docker-registry, jq, and the built annotated-policy.wasm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NAME=datakit-injection
STATE=target/e2e
PORT=5986
PATH=$PWD/$STATE/bin:$PATH

need() {
  for tool in "$@"; do
    command -v "$tool" > /dev/null || { echo "$tool is missing" >&2; exit 1; }
  done
}

# The address of this machine in the network of kind, which the nodes and their pods reach.
gateway() {
  docker network inspect kind | jq -er '[.[0].IPAM.Config[].Gateway | select((. // "") | test("^[0-9.]+$"))][0]'
}

# The registry takes what this machine pushes, and is in no network but kind's.
start_registry() {
  local address
  address=$(gateway):$PORT
  cat > "$STATE/registry.yml" << YAML
version: 0.1
storage: { filesystem: { rootdirectory: $PWD/$STATE/registry } }
http: { addr: $address }
YAML
  printf 'insecure_sources: ["%s"]\n' "$address" > "$STATE/sources.yml"
  setsid docker-registry serve "$STATE/registry.yml" > "$STATE/registry.log" 2>&1 &
  echo $! > "$STATE/registry.pid"
  curl --silent --fail --retry 20 --retry-delay 1 --retry-connrefused "http://$address/v2/" > /dev/null
}

# Pushes the module, and another build of it: the same code under another version.
push_modules() {
  local repository next
  repository=$(gateway):$PORT/policies/datakit-injection-policy
  next=$STATE/next.wasm
  sed 's/^  io.kubewarden.policy.version: .*/&-next/' policy-metadata.yml > "$STATE/next.yml"
  kwctl annotate -m "$STATE/next.yml" -u README.md -o "$next" policy.wasm
  if cmp --silent annotated-policy.wasm "$next"; then
    echo 'the other build is the same' >&2
    exit 1
  fi
  kwctl push --sources-path "$STATE/sources.yml" annotated-policy.wasm "registry://$repository:now"
  kwctl push --sources-path "$STATE/sources.yml" "$next" "registry://$repository:next"
  echo "export POLICY=registry://$repository:now POLICY_NEXT=registry://$repository:next" >> "$STATE/env"
}

# Installs a chart, once it is seen to be that of the wanted Kubewarden.
install() {
  local chart=$CHARTS/charts/$1
  shift
  grep --quiet --extended-regexp "^appVersion: \"?v$KUBEWARDEN\." "$chart/Chart.yaml" || {
    echo "$chart is not of Kubewarden $KUBEWARDEN: $(grep ^appVersion "$chart/Chart.yaml")" >&2
    exit 1
  }
  helm install "$(basename "$chart")" "$chart" --namespace kubewarden --create-namespace --wait --timeout 5m "$@"
}

# From 1.37 on, one chart has what three had.
install_kubewarden() {
  local server
  server=(--set "policyServer.insecureSources[0]=$(gateway):$PORT")
  if [ "${KUBEWARDEN#1.}" -ge 37 ]; then
    install admission-controller --set auditScanner.enable=false "${server[@]}"
  else
    install kubewarden-crds
    install kubewarden-controller --set auditScanner.enable=false
    install kubewarden-defaults "${server[@]}"
  fi
  # The controller makes it from the chart's PolicyServer.
  for _ in $(seq 60); do
    ! kubectl --namespace kubewarden get deployment policy-server-default &> /dev/null || break
    sleep 1
  done
  kubectl --namespace kubewarden rollout status deployment/policy-server-default --timeout=300s
}

up() {
  : "${NODE_IMAGE:?is the image of the node}" "${KUBEWARDEN:?is a version such as 1.38}" "${CHARTS:?is a folder}"
  need docker kind helm kwctl docker-registry jq curl
  mkdir -p "$STATE/bin"
  kind create cluster --name "$NAME" --image "$NODE_IMAGE" --config e2e/kind.yaml --kubeconfig "$STATE/kubeconfig" --wait 120s
  # The kubectl of the node is that of its Kubernetes.
  docker cp --follow-link "$NAME-control-plane:/usr/bin/kubectl" "$STATE/bin/kubectl"
  cat > "$STATE/env" << ENV
export KUBECONFIG=$PWD/$STATE/kubeconfig PATH=$PWD/$STATE/bin:\$PATH
export AUDIT='docker exec $NAME-control-plane cat /var/log/kubernetes/audit.log'
ENV
  # shellcheck source=/dev/null
  . "$STATE/env"
  start_registry
  push_modules
  install_kubewarden
  kubectl version
}

# Has the node pull images: one that cannot be pulled is named.
pull() {
  local failed=''
  for image in "$@"; do
    docker exec "$NAME-control-plane" crictl pull "$image" || failed="$failed $image"
  done
  [ -z "$failed" ] || { echo "cannot be pulled:$failed" >&2; exit 1; }
}

down() {
  # The registry may have ended by itself.
  [ ! -e "$STATE/registry.pid" ] || kill "$(< "$STATE/registry.pid")" || true
  rm -f "$STATE/registry.pid"
  kind delete cluster --name "$NAME"
}

case ${1:-} in
  up | down) "$1" ;;
  pull) "$@" ;;
  *) sed -n '2,/^$/p' "$0" | sed 's/^# \?//' >&2; exit 2 ;;
esac

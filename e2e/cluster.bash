# shellcheck shell=bash disable=SC2034,SC2153 # the tests use what is set here
# What the tests in a cluster share.
#
# They need kubectl and jq. POLICY names the module as the policy server can pull it, such as
# registry://HOST/policies/datakit-injection-policy:v0.1.0; POLICY_NEXT another build of it, to upgrade to. COMMAND is
# datakit-inject. AUDIT is a command that prints the API server's audit log, whose policy is audit-policy.yaml.
#
# Kubewarden's controller need not run: where CONTROLLER names a command, that stands in for it. It brings what the
# policies in the API server say to a policy server (`$CONTROLLER sync`), prints that server's log (`log`), and stops
# and starts it (`stop`, `start`). A cluster without nodes will do; what needs running pods is then skipped.

NAMESPACE=datakit-injection-e2e
IMAGE=pubrepo.guance.com/datakit-operator/dd-lib-java-init
JAVA='{"admission.datakit/java-lib.version": ""}'
NONE='{}'
COMMAND=${COMMAND:-target/debug/datakit-inject}

# Parts of a pod template or a Pod, as jq finds them.
AGENTS='[.spec.initContainers[]?.image] | join(" ")'
PORT='[.spec.containers[].env[]? | select(.name == "DD_TRACE_AGENT_PORT").value] | join(" ")'

# Checks what has to be there.
prepare() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  : "${POLICY:?names the module, as the policy server can pull it}"
  for tool in kubectl jq "$COMMAND"; do
    command -v "$tool" > /dev/null || { echo "$tool is missing" >&2; return 1; }
  done
  kubectl get crd clusteradmissionpolicies.policies.kubewarden.io > /dev/null
}

kube() {
  kubectl -n "$NAMESPACE" "$@"
}

# Checks that two texts are the same, and shows how they differ.
same() {
  diff -u <(echo "$1") <(echo "$2")
}

has_nodes() {
  [ -n "$(kubectl get nodes -o name)" ]
}

# Prints a manifest of deploy/base/ with the module under test.
policy_of() {
  sed "s|registry://[^ ]*|$POLICY|" "deploy/base/$1.yaml"
}

# Waits until the policy server runs what a new or changed policy says.
settle() {
  if [ -n "${CONTROLLER:-}" ]; then
    "$CONTROLLER" sync
    return
  fi
  # A change may be active again before this looks; then only the second wait tells.
  kubectl wait --for=condition=PolicyActive=false --timeout=60s "clusteradmissionpolicy/$1" || true
  kubectl wait --for=condition=PolicyActive --timeout=180s "clusteradmissionpolicy/$1"
}

# Deletes policies, and waits until their webhooks are gone.
forget() {
  kubectl delete --ignore-not-found --timeout=120s clusteradmissionpolicy "$@"
  if [ -n "${CONTROLLER:-}" ]; then "$CONTROLLER" sync; fi
  for name in "$@"; do
    for _ in $(seq 60); do
      kubectl get mutatingwebhookconfiguration "clusterwide-$name" &> /dev/null || continue 2
      sleep 1
    done
    echo "the webhook of $name is still there" >&2
    return 1
  done
}

server_log() {
  if [ -n "${CONTROLLER:-}" ]; then
    "$CONTROLLER" log
  else
    kubectl -n kubewarden logs -l kubewarden/policy-server=default --tail=-1
  fi | sed 's/\x1b\[[0-9;]*m//g'
}

# Nothing answers from here on. The controller would start the server again, so it stops first.
stop_server() {
  if [ -n "${CONTROLLER:-}" ]; then
    "$CONTROLLER" stop
    return
  fi
  kubectl -n kubewarden scale deployment -l app.kubernetes.io/component=controller --replicas=0
  kubectl -n kubewarden scale deployment policy-server-default --replicas=0
  for _ in $(seq 120); do
    [ -n "$(kubectl -n kubewarden get pods -l kubewarden/policy-server=default -o name)" ] || return 0
    sleep 1
  done
  echo 'the policy server is still there' >&2
  return 1
}

start_server() {
  if [ -n "${CONTROLLER:-}" ]; then
    "$CONTROLLER" start
    return
  fi
  kubectl -n kubewarden scale deployment policy-server-default --replicas=1
  kubectl -n kubewarden scale deployment -l app.kubernetes.io/component=controller --replicas=1
  kubectl -n kubewarden rollout status deployment policy-server-default --timeout=180s
  kubectl -n kubewarden rollout status deployment -l app.kubernetes.io/component=controller --timeout=180s
}

# Prints the manifest of a Deployment with these annotations on its template. It has no replicas, so that no image is
# pulled: a rollout is a new generation, a new revision and a new ReplicaSet.
manifest() {
  jq -n --arg name "$1" --argjson annotations "$2" '{
    apiVersion: "apps/v1", kind: "Deployment", metadata: { name: $name },
    spec: {
      replicas: 0, selector: { matchLabels: { app: $name } },
      template: {
        metadata: { labels: { app: $name }, annotations: $annotations },
        spec: { containers: [{ name: "app", image: "registry.k8s.io/pause:3.10" }] } } } }'
}

# Prints the manifest of a StatefulSet or a DaemonSet, from that of a Deployment. Neither has pods.
as_kind() {
  jq --arg kind "$1" '.kind = $kind | if $kind == "DaemonSet"
    then del(.spec.replicas) | .spec.template.spec.nodeSelector = { none: "here" }
    else .spec.serviceName = .metadata.name end'
}

# Prints the pod template on standard input's workload, without what `rollout restart` puts there.
template() {
  jq -S '.spec.template | del(.metadata.annotations["kubectl.kubernetes.io/restartedAt"])
    | if .metadata.annotations == {} then del(.metadata.annotations) else . end'
}

# Prints the pod template that is stored in a workload: a Deployment, or KIND/NAME.
stored() {
  case $1 in
    */*) kube get "$1" -o json ;;
    *) kube get deployment "$1" -o json ;;
  esac | template
}

# Prints what the API server would store, were the workload on standard input new.
as_new() {
  jq 'del(.metadata.annotations) | .metadata.name += "-new"' |
    kube create --dry-run=server -o json -f - | template
}

# Prints what the API server would store of the workload on standard input without this policy, which never sees
# kube-public.
as_bare() {
  jq 'del(.metadata.namespace) | .metadata.name += "-new"' |
    kubectl -n kube-public create --dry-run=server -o json -f - | template
}

# Takes the record out of the pod template on standard input.
unrecorded() {
  jq -S 'del(.metadata.annotations["admission.datakit/injected"])
    | if .metadata.annotations == {} then del(.metadata.annotations) else . end'
}

# Prints a Deployment's revision and number of ReplicaSets, once its controller has seen it. Its generation grows with
# its annotations too, and so with what kubectl applies.
history() {
  local revision=''
  seen "deployment/$1" > /dev/null
  # A replace drops the revision, and the controller puts it back.
  for _ in $(seq 60); do
    revision=$(kube get deployment "$1" \
      -o jsonpath='{.metadata.annotations.deployment\.kubernetes\.io/revision}')
    [ -z "$revision" ] || break
    sleep 1
  done
  echo "$revision $(kube get replicasets -l "app=$1" -o name | wc -l)"
}

# Prints a workload's generation, once its controller has seen it.
seen() {
  local generation
  generation=$(kube get "$1" -o jsonpath='{.metadata.generation}')
  kube wait --for=jsonpath='{.status.observedGeneration}'="$generation" --timeout=60s "$1" > /dev/null
  echo "$generation"
}

# Prints the record of what was injected into a workload's template.
record() {
  stored "$1" | jq -r '.metadata.annotations["admission.datakit/injected"] // ""'
}

# Prints the only Pod of a Deployment, which its newest ReplicaSet owns.
pod_of() {
  local revision owner pods
  for _ in $(seq 60); do
    seen "deployment/$1" > /dev/null
    revision=$(kube get deployment "$1" \
      -o jsonpath='{.metadata.annotations.deployment\.kubernetes\.io/revision}')
    owner=$(kube get replicasets -l "app=$1" -o json | jq -r --arg revision "$revision" '.items[].metadata
      | select(.annotations["deployment.kubernetes.io/revision"] == $revision).uid')
    pods=$(kube get pods -l "app=$1" -o json | jq '[.items[] | select(.metadata.deletionTimestamp == null)]')
    if [ "$(jq -r 'map(.metadata.ownerReferences[0].uid) | join(" ")' <<< "$pods")" = "$owner" ]; then
      jq '.[0]' <<< "$pods"
      return
    fi
    sleep 1
  done
  echo "deployment $1 has not one Pod of revision $revision" >&2
  return 1
}

# Waits until a filter prints a text for a new Deployment or Pod that asks for the library. While the policy server
# restarts, old and new replicas answer, or none: it has to be so ten times in a row.
wait_until() {
  local kind="$1" filter="$2" expected="$3" found='' streak=0
  for _ in $(seq 240); do
    found=$(new_"$kind" | jq -r "$filter")
    if [ "$found" = "$expected" ]; then streak=$((streak + 1)); else streak=0; fi
    [ "$streak" -lt 10 ] || return 0
    [ -n "${CONTROLLER:-}" ] || sleep 1
  done
  echo "a new $kind gets '$found', expected '$expected'" >&2
  return 1
}

new_deployment() {
  manifest probe "$JAVA" | as_new
}

# The ServiceAccount of a new namespace may be late, and the API server refuses Pods without it.
new_pod() {
  manifest probe "$JAVA" | jq '.spec.template | .apiVersion = "v1" | .kind = "Pod" | .metadata.name = "probe"' |
    kube create --dry-run=server -o json -f -
}

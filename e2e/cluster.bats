#!/usr/bin/env bats
# The policy in a cluster with Kubewarden: `make e2e-cluster`.
#
# Needs kubectl and jq, and a cluster of its own (kind will do) in which Kubewarden's controller and a
# policy server run. POLICY names the module as the policy server can pull it, such as
# registry://HOST/policies/datakit-injection-policy:v0.1.0.
#
# The tests run in order: the policy is installed in monitor mode, switched to protect, gets other
# settings, and leaves. The Deployment `life` goes through all of that. It has no replicas, so that no
# image is pulled: a rollout is a new generation, a new revision and a new ReplicaSet.

bats_require_minimum_version 1.5.0

NAMESPACE=datakit-injection-e2e
POLICY_NAME=datakit-injection-workloads
IMAGE=pubrepo.guance.com/datakit-operator/dd-lib-java-init
JAVA='{"admission.datakit/java-lib.version": ""}'
NONE='{}'

# Parts of a pod template, as jq finds them.
AGENTS='[.spec.initContainers[]?.image] | join(" ")'
AGENTS_COUNT='.spec.initContainers // [] | length'
PORT='[.spec.containers[].env[]? | select(.name == "DD_TRACE_AGENT_PORT").value] | join(" ")'

setup_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  : "${POLICY:?names the module, as the policy server can pull it}"
  command -v jq > /dev/null || { echo 'jq is missing: apt install jq' >&2; return 1; }
  kubectl get crd clusteradmissionpolicies.policies.kubewarden.io > /dev/null
  kubectl create namespace "$NAMESPACE"
  # A workload from before the policy, which asks for the library: nothing may restart it.
  manifest before "$JAVA" | jq '.spec.replicas = 1' | kube apply -f -
  kube rollout status deployment/before --timeout=120s
  sed "s|registry://[^ ]*|$POLICY|" deploy/base/workloads.yaml | kubectl apply -f -
  kubectl wait --for=condition=PolicyActive --timeout=180s "clusteradmissionpolicy/$POLICY_NAME"
}

teardown_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  kubectl delete --ignore-not-found -f deploy/base/workloads.yaml
  kubectl delete --ignore-not-found namespace "$NAMESPACE"
}

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

kube() {
  kubectl -n "$NAMESPACE" "$@"
}

# Prints the manifest of a Deployment with these annotations on its template.
manifest() {
  jq -n --arg name "$1" --argjson annotations "$2" '{
    apiVersion: "apps/v1", kind: "Deployment", metadata: { name: $name },
    spec: {
      replicas: 0, selector: { matchLabels: { app: $name } },
      template: {
        metadata: { labels: { app: $name }, annotations: $annotations },
        spec: { containers: [{ name: "app", image: "registry.k8s.io/pause:3.10" }] } } } }'
}

# Prints the pod template of the Deployment on standard input, without what `rollout restart` puts there.
template() {
  jq -S '.spec.template | del(.metadata.annotations["kubectl.kubernetes.io/restartedAt"])
    | if .metadata.annotations == {} then del(.metadata.annotations) else . end'
}

# Prints the pod template that is stored in a Deployment.
stored() {
  kube get deployment "$1" -o json | template
}

# Prints what the API server would store, were the Deployment on standard input new.
as_new() {
  jq 'del(.metadata.annotations) | .metadata.name += "-new"' |
    kube create --dry-run=server -o json -f - | template
}

# Prints what the API server would store of the Deployment on standard input without this policy.
as_bare() {
  jq '.spec.template.metadata.annotations["admission.datakit/enabled"] = "false"' | as_new |
    jq -S 'del(.metadata.annotations["admission.datakit/enabled"])
      | if .metadata.annotations == {} then del(.metadata.annotations) else . end'
}

# Prints a Deployment's generation, revision and number of ReplicaSets, once its controller has seen it.
history() {
  local generation revision=''
  generation=$(kube get deployment "$1" -o jsonpath='{.metadata.generation}')
  kube wait --for=jsonpath='{.status.observedGeneration}'="$generation" --timeout=60s \
    "deployment/$1" > /dev/null
  # A replace drops the revision, and the controller puts it back.
  for _ in $(seq 60); do
    revision=$(kube get deployment "$1" \
      -o jsonpath='{.metadata.annotations.deployment\.kubernetes\.io/revision}')
    [ -z "$revision" ] || break
    sleep 1
  done
  echo "$generation $revision $(kube get replicasets -l "app=$1" -o name | wc -l)"
}

# Prints the record of what was injected into a Deployment.
record() {
  kube get deployment "$1" -o jsonpath='{.metadata.annotations.admission\.datakit/injected}'
}

# Checks that two texts are the same, and shows how they differ.
same() {
  diff -u <(echo "$1") <(echo "$2")
}

# Waits until a filter prints a text for a new Deployment that asks for the library. While the policy
# server restarts, old and new replicas answer, or none: it has to be so ten times in a row.
wait_until() {
  local filter="$1" expected="$2" found='' streak=0
  for _ in $(seq 240); do
    found=$(manifest probe "$JAVA" | as_new | jq -r "$filter")
    if [ "$found" = "$expected" ]; then streak=$((streak + 1)); else streak=0; fi
    [ "$streak" -lt 10 ] || return 0
    sleep 1
  done
  echo "new Deployments get '$found', expected '$expected'" >&2
  return 1
}

# Changes the policy by a JSON Patch.
change_policy() {
  kubectl patch clusteradmissionpolicy "$POLICY_NAME" --type json -p "$1"
}

# Monitor, and the way to protect

@test "in monitor mode nothing is changed" {
  manifest monitored "$JAVA" | kube apply -f -
  same "$(stored monitored)" "$(manifest monitored "$JAVA" | as_bare)"
  [ "$(record monitored)" = "" ]
}

@test "the command in the manifest leads to protect, and there is no way back" {
  command=$(sed -n 's/^  # *\(kubectl patch .*\)/\1/p' deploy/base/workloads.yaml)
  [ -n "$command" ]
  eval "$command"
  wait_until "$AGENTS" "$IMAGE:v1.30.1-guance"
  run change_policy '[{"op": "replace", "path": "/spec/mode", "value": "monitor"}]'
  [ "$status" -ne 0 ]
  [[ "$output" == *"cannot transition from protect to monitor"* ]]
}

@test "the API server accepts every manifest and overlay" {
  for folder in deploy/overlays/*/; do
    kubectl apply --dry-run=server -k "$folder"
  done
  kubectl apply --dry-run=server -f deploy/base/pods.yaml
  sed "s/^  namespace: .*/  namespace: $NAMESPACE/" deploy/base/namespaced.yaml |
    kubectl apply --dry-run=server -f -
}

# Workloads from before

@test "an installed policy restarts nothing" {
  bare=$(manifest before "$JAVA" | as_bare)
  pod=$(kube get pods -l app=before -o jsonpath='{.items[*].metadata.uid}')
  same "$(history before)" "1 1 1"
  # The conditions let both requests through, because the template asks for the library.
  kube label deployment before touched=yes
  same "$(history before)" "1 1 1"
  kube patch deployment before -p '{"spec": {"revisionHistoryLimit": 5}}'
  same "$(history before)" "2 1 1"
  same "$(stored before)" "$bare"
  [ "$(kube get pods -l app=before -o jsonpath='{.items[*].metadata.uid}')" = "$pod" ]
  # A change of the template itself is what injects. Were the requests kept away, it would not.
  kube patch deployment before -p '{"spec": {"replicas": 0}}'
  kube rollout restart deployment/before
  same "$(history before)" "4 2 2"
  same "$(stored before)" "$(manifest before "$JAVA" | as_new)"
  [ "$(stored before | jq -r "$AGENTS")" = "$IMAGE:v1.30.1-guance" ]
}

@test "what is stored is what is expected" {
  for name in nginx logging movies-java movies-python; do
    kube create -f "examples/$name.yaml"
    deployment=$(kubectl create --dry-run=client -f "examples/$name.yaml" -o jsonpath='{.metadata.name}')
    # The expected object with the defaults of the API server, which the policy leaves alone.
    expected=$(kubectl create --dry-run=client -f "examples/expected/$name.yaml" -o json)
    same "$(stored "$deployment")" "$(as_bare <<< "$expected")"
    # Where the API server sets a default, there is less to record: the injections are the same.
    same "$(record "$deployment" | jq -c keys)" \
      "$(jq -c '.metadata.annotations["admission.datakit/injected"] | fromjson | keys' <<< "$expected")"
  done
}

# The life of a workload

@test "life: applied, and applied again" {
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "1 1 1"
  injected=$(stored life)
  same "$(jq -r "$AGENTS" <<< "$injected")" "$IMAGE:v1.30.1-guance"
  recorded=$(record life)
  [ -n "$recorded" ]
  # A label of its own, so that kubectl does send the request.
  applied=$(manifest life "$JAVA" | jq '.metadata.labels = { touched: "yes" }' | kube apply -f -)
  [[ "$applied" == *configured* ]]
  same "$(history life)" "1 1 1"
  same "$(stored life)" "$injected"
  [ "$(record life)" = "$recorded" ]
  # Server-side, by another manager.
  manifest life "$JAVA" | kube apply --server-side --field-manager=e2e --force-conflicts -f -
  same "$(history life)" "1 1 1"
  same "$(stored life)" "$injected"
}

@test "life: opted out, and in again" {
  injected=$(stored life)
  recorded=$(record life)
  out='{"admission.datakit/java-lib.version": "", "admission.datakit/enabled": "false"}'
  manifest life "$out" | kube apply -f -
  same "$(history life)" "2 2 2"
  same "$(stored life)" "$(manifest life "$out" | as_new)"
  [ "$(stored life | jq -r "$AGENTS")" = "" ]
  [ "$(record life)" = "" ]
  # The same template as at first is the same ReplicaSet.
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "3 3 2"
  same "$(stored life)" "$injected"
  [ "$(record life)" = "$recorded" ]
}

@test "life: without the annotation, and with it again" {
  injected=$(stored life)
  manifest life "$NONE" | kube apply -f -
  same "$(history life)" "4 4 3"
  same "$(stored life)" "$(manifest life "$NONE" | as_bare)"
  [ "$(record life)" = "" ]
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "5 5 3"
  same "$(stored life)" "$injected"
}

@test "life: another version, and the first one again" {
  injected=$(stored life)
  version='{"admission.datakit/java-lib.version": "v1.36.2-guance"}'
  manifest life "$version" | kube apply -f -
  same "$(history life)" "6 6 4"
  same "$(stored life)" "$(manifest life "$version" | as_new)"
  [ "$(stored life | jq -r "$AGENTS")" = "$IMAGE:v1.36.2-guance" ]
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "7 7 4"
  same "$(stored life)" "$injected"
}

@test "life: new settings change nothing by themselves" {
  injected=$(stored life)
  recorded=$(record life)
  [ "$(jq -r "$PORT" <<< "$injected")" = 9529 ]
  port=/spec/settings/admission_inject/ddtrace/envs/DD_TRACE_AGENT_PORT
  change_policy '[{"op": "replace", "path": "'$port'", "value": "9530"}]'
  wait_until "$PORT" 9530
  # Requests that reach the policy and leave the template alone; a replace brings it without injections.
  kube label --overwrite deployment life touched=again
  kube patch deployment life -p '{"spec": {"revisionHistoryLimit": 9}}'
  same "$(history life)" "8 7 4"
  same "$(stored life)" "$injected"
  manifest life "$JAVA" | jq '.spec.revisionHistoryLimit = 9' | kube replace --save-config -f -
  same "$(history life)" "8 7 4"
  same "$(stored life)" "$injected"
  [ "$(record life)" = "$recorded" ]
}

@test "life: new settings come with a restart" {
  kube rollout restart deployment/life
  same "$(history life)" "9 8 5"
  [ "$(stored life | jq -r "$PORT")" = 9530 ]
  same "$(stored life)" "$(manifest life "$JAVA" | as_new)"
}

@test "life: rolled back, with the settings of today" {
  [ "$(stored life | jq -r "$PORT")" = 9530 ]
  kube rollout undo deployment/life
  # The template of before the restart, injected anew: neither that ReplicaSet nor that of the restart.
  same "$(history life)" "10 9 6"
  restarted='.spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]'
  [ "$(kube get deployment life -o json | jq -r "$restarted")" = null ]
  same "$(stored life)" "$(manifest life "$JAVA" | as_new)"
  [ "$(stored life | jq -r "$PORT")" = 9530 ]
  [ -n "$(record life)" ]
}

# Messages, and pods that run to completion

@test "a Job with a sidecar ends" {
  kube apply -f - << 'YAML'
apiVersion: batch/v1
kind: Job
metadata:
  name: ends
spec:
  template:
    metadata:
      annotations:
        admission.datakit/logfwd.instances: '[{"datakit_addr":"x:9533","loggings":[{"logfiles":["/logs/*.log"]}]}]'
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: busybox
          command: ["true"]
YAML
  name=$(kube get job ends -o jsonpath='{.spec.template.spec.initContainers[0].name}')
  [ "$name" = datakit-logfwd ]
  kube wait --for=condition=Complete --timeout=180s job/ends
}

@test "kubectl shows the warnings" {
  manifest warned '{"admission.datakit/java-lib.version": "no tag"}' > "$BATS_TEST_TMPDIR/warned.json"
  run kube apply -f "$BATS_TEST_TMPDIR/warned.json"
  [ "$status" -eq 0 ]
  [[ "$output" == *"Warning: ddtrace-java is not injected into Deployment/warned"* ]]
  same "$(stored warned)" "$(as_bare < "$BATS_TEST_TMPDIR/warned.json")"
}

# Leaving

@test "life: without rules, everything goes at the next change" {
  injected=$(stored life)
  change_policy '[{"op": "replace", "path": "/spec/settings", "value": {}}]'
  wait_until "$AGENTS_COUNT" 0
  kube label --overwrite deployment life touched=last
  same "$(history life)" "10 9 6"
  same "$(stored life)" "$injected"
  kube rollout restart deployment/life
  same "$(history life)" "11 10 7"
  same "$(stored life)" "$(manifest life "$JAVA" | as_bare)"
  [ "$(record life)" = "" ]
}

@test "life: the policy can be deleted" {
  bare=$(stored life)
  kubectl delete clusteradmissionpolicy "$POLICY_NAME" --timeout=120s
  kube label --overwrite deployment life touched=after
  same "$(history life)" "11 10 7"
  same "$(stored life)" "$bare"
}

#!/usr/bin/env bats
# The policy in a cluster with Kubewarden: `make e2e-cluster`. `e2e/kind.sh` makes such a cluster, and cluster.bash says
# what another one needs.
#
# The tests run in order. First the policy for workloads: it is installed in monitor mode, switched to protect, gets
# other settings, misses what happens in an outage, is upgraded, and leaves. The Deployment, the StatefulSet and the
# DaemonSet named `life` go through all of that. Then the policy for Pods does the same.

# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and cluster.bash sets COMMAND
# shellcheck source=e2e/cluster.bash

bats_require_minimum_version 1.5.0
load cluster

WORKLOADS=datakit-injection-workloads
PODS=datakit-injection-pods

setup_file() {
  prepare
  kubectl create namespace "$NAMESPACE"
  # A workload from before the policy, which asks for the library: nothing may restart it.
  manifest before "$JAVA" | jq '.spec.replicas = 1' | kube apply -f -
  ! has_nodes || kube rollout status deployment/before --timeout=120s
  policy_of workloads | kubectl apply -f -
  settle "$WORKLOADS"
}

teardown_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  forget "$WORKLOADS" "$PODS"
  kubectl delete --ignore-not-found namespace "$NAMESPACE"
}

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

# Changes a policy by a JSON Patch, and waits for it.
change() {
  kubectl patch clusteradmissionpolicy "$1" --type json -p "$2"
  settle "$1"
}

# Sets the port that traces are sent to.
change_port() {
  local path=/spec/settings/admission_inject/ddtrace/envs/DD_TRACE_AGENT_PORT
  change "$1" '[{"op": "replace", "path": "'$path'", "value": "'"$2"'"}]'
}

# Runs the command in a policy's manifest that leads from monitor to protect.
protect() {
  local command
  command=$(sed -n 's/^  # *\(kubectl patch .*\)/\1/p' "deploy/base/$1.yaml")
  [ -n "$command" ]
  eval "$command"
}

refuses_to_go_back() {
  [ -z "${CONTROLLER:-}" ] || skip 'Kubewarden refuses it, and does not run'
  run kubectl patch clusteradmissionpolicy "$1" --type merge -p '{"spec": {"mode": "monitor"}}'
  [ "$status" -ne 0 ]
  [[ "$output" == *"cannot transition from protect to monitor"* ]]
}

# Prints the state that `coverage` finds for a workload, and why.
state_of() {
  "$COMMAND" coverage --cluster --namespace "$NAMESPACE" -o json |
    jq -r --arg workload "$1" '[.workloads[] | select(.workload == $workload).state] | join(" ")'
}

# Workloads: monitor, and the way to protect

@test "in monitor mode nothing is changed, and the log says what would be" {
  run manifest_applied monitored
  [ "$status" -eq 0 ]
  same "$(stored monitored)" "$(manifest monitored "$JAVA" | as_bare)"
  server_log | grep 'policy_log: injected' | grep -F '"injection":"ddtrace-java"' |
    grep -F '"workload":"Deployment/monitored"'
  server_log | grep -F 'policy evaluation (monitor mode)' | grep -F "clusterwide-$WORKLOADS" | grep -F 'JSONPatch'
}

manifest_applied() {
  manifest "$1" "$JAVA" | kube apply -f -
}

@test "in monitor mode warnings reach kubectl" {
  run kube apply -f - <<< "$(manifest warned-before '{"admission.datakit/java-lib.version": "no tag"}')"
  [ "$status" -eq 0 ]
  [[ "$output" == *"Warning: ddtrace-java is not injected into Deployment/warned-before"* ]]
}

@test "the audit log tells what monitor mode would do" {
  [ -n "${AUDIT:-}" ] || skip 'AUDIT names no command'
  [ "$(audited deployments monitored injected "$WORKLOADS")" = ddtrace-java ]
  [[ "$(audited deployments warned-before skipped "$WORKLOADS")" == "ddtrace-java: annotation "* ]]
}

# Prints an audit annotation of the request that created an object.
audited() {
  # The API server writes it after it has answered.
  for _ in $(seq 20); do
    found=$($AUDIT | jq -rn --arg resource "$1" --arg name "$2" \
      --arg key "clusterwide-$4.kubewarden.admission/$3" '[inputs
        | select(.objectRef.resource == $resource and .objectRef.name == $name and .verb == "create")
        | .annotations[$key] // empty] | last // empty')
    [ -z "$found" ] || break
    sleep 1
  done
  echo "$found"
}

@test "the command in the manifest leads to protect" {
  protect workloads
  settle "$WORKLOADS"
  wait_until deployment "$AGENTS" "$IMAGE:v1.30.1-guance"
}

@test "there is no way back to monitor" {
  refuses_to_go_back "$WORKLOADS"
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
  same "$(history before)" "1 1"
  [ "$(seen deployment/before)" = 1 ]
  # The conditions let both requests through, because the template asks for the library.
  kube label deployment before touched=yes
  same "$(history before)" "1 1"
  [ "$(seen deployment/before)" = 1 ]
  kube patch deployment before -p '{"spec": {"revisionHistoryLimit": 5}}'
  same "$(history before)" "1 1"
  [ "$(seen deployment/before)" = 2 ]
  same "$(stored before)" "$bare"
  [ "$(kube get pods -l app=before -o jsonpath='{.items[*].metadata.uid}')" = "$pod" ]
  # A change of the template itself is what injects. Were the requests kept away, it would not.
  kube patch deployment before -p '{"spec": {"replicas": 0}}'
  kube rollout restart deployment/before
  same "$(history before)" "2 2"
  [ "$(seen deployment/before)" = 4 ]
  same "$(stored before)" "$(manifest before "$JAVA" | as_new)"
  [ "$(stored before | jq -r "$AGENTS")" = "$IMAGE:v1.30.1-guance" ]
}

@test "what is stored is what is expected" {
  for name in nginx logging movies-java movies-python; do
    kube create -f "examples/$name.yaml"
    deployment=$(kubectl create --dry-run=client -f "examples/$name.yaml" -o jsonpath='{.metadata.name}')
    # The expected object with the defaults of the API server.
    expected=$(kubectl create --dry-run=client -f "examples/expected/$name.yaml" -o json | as_bare)
    same "$(stored "$deployment" | unrecorded)" "$(unrecorded <<< "$expected")"
    # Where the API server sets a default, there is less to record: the injections are the same.
    same "$(record "$deployment" | jq -c keys)" \
      "$(jq -c '.metadata.annotations["admission.datakit/injected"] | fromjson | keys' <<< "$expected")"
    kube delete deployment "$deployment"
  done
}

# The life of workloads

@test "life: applied, and applied again" {
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "1 1"
  injected=$(stored life)
  same "$(jq -r "$AGENTS" <<< "$injected")" "$IMAGE:v1.30.1-guance"
  [ -n "$(record life)" ]
  # A label of its own, so that kubectl does send the request.
  applied=$(manifest life "$JAVA" | jq '.metadata.labels = { touched: "yes" }' | kube apply -f -)
  [[ "$applied" == *configured* ]]
  same "$(history life)" "1 1"
  same "$(stored life)" "$injected"
  # Server-side, by another manager.
  manifest life "$JAVA" | kube apply --server-side --field-manager=e2e --force-conflicts -f -
  same "$(history life)" "1 1"
  same "$(stored life)" "$injected"
}

@test "life: opted out, and in again" {
  injected=$(stored life)
  out='{"admission.datakit/java-lib.version": "", "admission.datakit/enabled": "false"}'
  manifest life "$out" | kube apply -f -
  same "$(history life)" "2 2"
  same "$(stored life)" "$(manifest life "$out" | as_bare)"
  # The same template as at first is the same ReplicaSet.
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "3 2"
  same "$(stored life)" "$injected"
}

@test "life: without the annotation, and with it again" {
  injected=$(stored life)
  manifest life "$NONE" | kube apply -f -
  same "$(history life)" "4 3"
  same "$(stored life)" "$(manifest life "$NONE" | as_bare)"
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "5 3"
  same "$(stored life)" "$injected"
}

@test "life: another version, and the first one again" {
  injected=$(stored life)
  version='{"admission.datakit/java-lib.version": "v1.36.2-guance"}'
  manifest life "$version" | kube apply -f -
  same "$(history life)" "6 4"
  same "$(stored life)" "$(manifest life "$version" | as_new)"
  [ "$(stored life | jq -r "$AGENTS")" = "$IMAGE:v1.36.2-guance" ]
  manifest life "$JAVA" | kube apply -f -
  same "$(history life)" "7 4"
  same "$(stored life)" "$injected"
}

@test "life: new settings change nothing by themselves" {
  for kind in StatefulSet DaemonSet; do
    manifest life "$JAVA" | as_kind "$kind" | kube apply -f -
    [ "$(seen "$kind/life")" = 1 ]
    [ "$(stored "$kind/life" | jq -r "$PORT")" = 9529 ]
  done
  injected=$(stored life)
  [ "$(jq -r "$PORT" <<< "$injected")" = 9529 ]
  change_port "$WORKLOADS" 9530
  wait_until deployment "$PORT" 9530
  # Requests that reach the policy and leave the template alone; a replace brings it without injections.
  generation=$(seen deployment/life)
  kube label --overwrite deployment life touched=again
  [ "$(seen deployment/life)" = "$generation" ]
  kube patch deployment life -p '{"spec": {"revisionHistoryLimit": 9}}'
  same "$(history life)" "7 4"
  same "$(stored life)" "$injected"
  manifest life "$JAVA" | jq '.spec.revisionHistoryLimit = 9' | kube replace --save-config -f -
  same "$(history life)" "7 4"
  same "$(stored life)" "$injected"
  for kind in StatefulSet DaemonSet; do
    kube label "$kind/life" touched=again
    [ "$(seen "$kind/life")" = 1 ]
    [ "$(stored "$kind/life" | jq -r "$PORT")" = 9529 ]
  done
}

@test "life: new settings come with a restart" {
  kube rollout restart deployment/life
  same "$(history life)" "8 5"
  [ "$(stored life | jq -r "$PORT")" = 9530 ]
  same "$(stored life)" "$(manifest life "$JAVA" | as_new)"
  for kind in StatefulSet DaemonSet; do
    kube rollout restart "$kind/life"
    [ "$(seen "$kind/life")" = 2 ]
    same "$(stored "$kind/life")" "$(manifest life "$JAVA" | as_kind "$kind" | as_new)"
    [ "$(stored "$kind/life" | jq -r "$PORT")" = 9530 ]
  done
}

@test "life: rolled back, with the settings of today" {
  restarted='.spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]'
  for kind in Deployment StatefulSet DaemonSet; do
    [ "$(kube get "$kind/life" -o json | jq -r "$restarted")" != null ]
    kube rollout undo "$kind/life"
    # The template of before the restart, injected anew.
    [ "$(kube get "$kind/life" -o json | jq -r "$restarted")" = null ]
    [ "$(stored "$kind/life" | jq -r "$PORT")" = 9530 ]
    [ -n "$(record "$kind/life")" ]
  done
  # Neither the ReplicaSet from before the restart nor that of the restart.
  same "$(history life)" "9 6"
  same "$(stored life)" "$(manifest life "$JAVA" | as_new)"
  for kind in StatefulSet DaemonSet; do
    [ "$(seen "$kind/life")" = 3 ]
    same "$(stored "$kind/life")" "$(manifest life "$JAVA" | as_kind "$kind" | as_new)"
  done
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
  sidecar='.spec.template.spec.initContainers[0] | "\(.name) \(.restartPolicy)"'
  [ "$(kube get job ends -o json | jq -r "$sidecar")" = 'datakit-logfwd Always' ]
  has_nodes || skip 'no nodes: the Job is injected, and does not run'
  kube wait --for=condition=Complete --timeout=180s job/ends
}

@test "kubectl shows the warnings" {
  manifest warned '{"admission.datakit/java-lib.version": "no tag"}' > "$BATS_TEST_TMPDIR/warned.json"
  run kube apply -f "$BATS_TEST_TMPDIR/warned.json"
  [ "$status" -eq 0 ]
  [[ "$output" == *"Warning: ddtrace-java is not injected into Deployment/warned"* ]]
  same "$(stored warned)" "$(as_bare < "$BATS_TEST_TMPDIR/warned.json")"
}

# Workloads: an outage, an upgrade, and leaving

@test "settings that are refused leave the running server, and its log names them" {
  before=$(kubectl get clusteradmissionpolicy "$WORKLOADS" -o json)
  kubectl patch clusteradmissionpolicy "$WORKLOADS" --type merge \
    -p '{"spec": {"settings": {"admission_inject": {"ddtrace": {"imagse": {}}}}}}'
  if [ -n "${CONTROLLER:-}" ]; then
    run "$CONTROLLER" sync
    [ "$status" -ne 0 ]
  else
    kubectl wait --for=condition=PolicyActive=false --timeout=60s "clusteradmissionpolicy/$WORKLOADS"
    run kubectl wait --for=condition=PolicyActive --timeout=60s "clusteradmissionpolicy/$WORKLOADS"
    [ "$status" -ne 0 ]
    [ "$(new_deployment | jq -r "$PORT")" = 9530 ]
  fi
  # shellcheck disable=SC2016 # the backquotes are the message's
  server_log | grep -F 'admission_inject.ddtrace.imagse: unknown key; did you mean `images`?'
  jq '{ spec: { settings: (.spec.settings | .admission_inject.ddtrace.imagse = null) } }' <<< "$before" \
    > "$BATS_TEST_TMPDIR/settings.json"
  kubectl patch clusteradmissionpolicy "$WORKLOADS" --type merge --patch-file "$BATS_TEST_TMPDIR/settings.json"
  settle "$WORKLOADS"
  wait_until deployment "$PORT" 9530
}

@test "an outage leaves workloads without injection" {
  stop_server
  run manifest_applied missed
  [ "$status" -eq 0 ]
  [[ "$output" != *Warning* ]]
  same "$(stored missed)" "$(manifest missed "$JAVA" | as_bare)"
  # What was injected stays where a manifest is applied.
  kube label --overwrite deployment life touched=meanwhile
  [ -n "$(record life)" ]
  start_server
  wait_until deployment "$PORT" 9530
}

@test "the audit log names what an outage left" {
  [ -n "${AUDIT:-}" ] || skip 'AUDIT names no command'
  failed=$($AUDIT | jq -r 'select((.annotations // {}) | to_entries
    | any((.key | startswith("failed-open.mutation.webhook")) and (.value | contains("datakit-injection"))))
    | "\(.objectRef.resource) \(.objectRef.namespace)/\(.objectRef.name // .responseObject.metadata.name // "?")"')
  grep -Fx "deployments $NAMESPACE/missed" <<< "$failed"
}

@test "coverage finds what an outage left, and its script repairs it" {
  [ "$(state_of Deployment/missed)" = pending ]
  [ "$(state_of Deployment/life)" = up-to-date ]
  run --separate-stderr "$COMMAND" coverage --cluster --namespace "$NAMESPACE" --fail-on missing
  [ "$status" -eq 1 ]
  "$COMMAND" coverage --cluster --namespace "$NAMESPACE" -o restart --state pending > "$BATS_TEST_TMPDIR/restart.sh"
  sh "$BATS_TEST_TMPDIR/restart.sh"
  same "$(stored missed)" "$(manifest missed "$JAVA" | as_new)"
  [ "$(state_of Deployment/missed)" = up-to-date ]
}

@test "another build of the module changes nothing by itself" {
  [ -n "${POLICY_NEXT:-}" ] || skip 'POLICY_NEXT names no module'
  injected=$(stored life)
  change "$WORKLOADS" '[{"op": "replace", "path": "/spec/module", "value": "'"$POLICY_NEXT"'"}]'
  wait_until deployment "$PORT" 9530
  generation=$(seen deployment/life)
  kube label --overwrite deployment life touched=upgraded
  [ "$(seen deployment/life)" = "$generation" ]
  same "$(history life)" "9 6"
  same "$(stored life)" "$injected"
  # The new build reads the record of the old one.
  manifest life "$NONE" | jq '.spec.revisionHistoryLimit = 9' | kube apply -f -
  same "$(stored life)" "$(manifest life "$NONE" | as_bare)"
  manifest life "$JAVA" | jq '.spec.revisionHistoryLimit = 9' | kube apply -f -
  same "$(stored life)" "$injected"
  # Both templates had a ReplicaSet before.
  same "$(history life)" "11 6"
}

@test "life: without rules, everything goes at the next change" {
  injected=$(stored life)
  generation=$(seen deployment/life)
  change "$WORKLOADS" '[{"op": "replace", "path": "/spec/settings", "value": {}}]'
  wait_until deployment "$AGENTS" ''
  kube label --overwrite deployment life touched=last
  [ "$(seen deployment/life)" = "$generation" ]
  same "$(stored life)" "$injected"
  for kind in Deployment StatefulSet DaemonSet; do
    kube rollout restart "$kind/life"
    bare=$(manifest life "$JAVA" | if [ "$kind" = Deployment ]; then cat; else as_kind "$kind"; fi | as_bare)
    same "$(stored "$kind/life")" "$bare"
  done
}

@test "life: the policy can be deleted" {
  bare=$(stored life)
  generation=$(seen deployment/life)
  forget "$WORKLOADS"
  kube label --overwrite deployment life touched=after
  [ "$(seen deployment/life)" = "$generation" ]
  same "$(stored life)" "$bare"
}

# Pods

# A Deployment with one Pod, which is gone before there is another.
one_pod() {
  manifest "$1" "$2" | jq '.spec.replicas = 1 | .spec.strategy.type = "Recreate"'
}

@test "pods: in monitor mode nothing is changed, and the log says what would be" {
  policy_of pods | kubectl apply -f -
  settle "$PODS"
  one_pod web "$JAVA" | kube apply -f -
  [ "$(pod_of web | jq -r "$AGENTS")" = '' ]
  # The Pod has no name yet: its controller gives a prefix.
  server_log | grep 'policy_log: injected' | grep -F '"injection":"ddtrace-java"' | grep -F '"workload":"Pod/web-'
}

@test "pods: the command in the manifest leads to protect, and running Pods stay" {
  pod=$(pod_of web | jq -r .metadata.uid)
  protect pods
  settle "$PODS"
  wait_until pod "$AGENTS" "$IMAGE:v1.30.1-guance"
  [ "$(pod_of web | jq -r .metadata.uid)" = "$pod" ]
}

@test "pods: there is no way back to monitor" {
  refuses_to_go_back "$PODS"
}

@test "pods: the first injection comes with a restart, and the workload stays as it is" {
  kube rollout restart deployment/web
  pod=$(pod_of web)
  [ "$(jq -r "$AGENTS" <<< "$pod")" = "$IMAGE:v1.30.1-guance" ]
  [ "$(jq -r "$PORT" <<< "$pod")" = 9529 ]
  options='.spec.containers[0].env[] | select(.name == "JAVA_TOOL_OPTIONS").value'
  [[ "$(jq -r "$options" <<< "$pod")" == *-javaagent:/datadog-lib/dd-java-agent.jar* ]]
  [ "$(jq -r '.metadata.annotations["admission.datakit/injected"]' <<< "$pod")" = null ]
  same "$(stored web)" "$(manifest web "$JAVA" | as_bare)"
}

@test "pods: what is created is what is expected" {
  manifest=$(kubectl create --dry-run=client -f examples/logging-pod.yaml -o json | jq 'del(.metadata.namespace)')
  name=$(jq -r .metadata.name <<< "$manifest")
  kube create -f - <<< "$manifest"
  annotations='.metadata.annotations | del(.["kubectl.kubernetes.io/last-applied-configuration"])'
  expected=$(kubectl create --dry-run=client -f examples/expected/logging-pod.yaml -o json)
  same "$(kube get pod "$name" -o json | jq -S "$annotations")" "$(jq -S "$annotations" <<< "$expected")"
  own='[.spec.containers[] | { name, mounts: [.volumeMounts[].mountPath | select(startswith("/var/run") | not)] }]'
  same "$(kube get pod "$name" -o json | jq "$own")" "$(jq "$own" <<< "$expected")"
  kube delete pod "$name" --wait=false
}

@test "pods: an opt-out, and in again" {
  one_pod web '{"admission.datakit/java-lib.version": "", "admission.datakit/enabled": "false"}' | kube apply -f -
  [ "$(pod_of web | jq -r "$AGENTS")" = '' ]
  one_pod web "$JAVA" | kube apply -f -
  [ "$(pod_of web | jq -r "$AGENTS")" = "$IMAGE:v1.30.1-guance" ]
}

@test "pods: new settings come with new Pods" {
  pod=$(pod_of web | jq -r .metadata.uid)
  change_port "$PODS" 9530
  wait_until pod "$PORT" 9530
  [ "$(pod_of web | jq -r .metadata.uid)" = "$pod" ]
  kube rollout restart deployment/web
  [ "$(pod_of web | jq -r "$PORT")" = 9530 ]
}

@test "pods: rolled back, with the settings of today" {
  version='{"admission.datakit/java-lib.version": "v1.36.2-guance"}'
  one_pod web "$version" | kube apply -f -
  [ "$(pod_of web | jq -r "$AGENTS")" = "$IMAGE:v1.36.2-guance" ]
  change_port "$PODS" 9531
  wait_until pod "$PORT" 9531
  kube rollout undo deployment/web
  pod=$(pod_of web)
  [ "$(jq -r "$AGENTS" <<< "$pod")" = "$IMAGE:v1.30.1-guance" ]
  [ "$(jq -r "$PORT" <<< "$pod")" = 9531 ]
}

@test "pods: an outage leaves Pods without injection, and coverage finds them" {
  stop_server
  kube rollout restart deployment/web
  pod=$(pod_of web)
  [ "$(jq -r "$AGENTS" <<< "$pod")" = '' ]
  start_server
  wait_until pod "$PORT" 9531
  [ "$(pod_of web | jq -r .metadata.uid)" = "$(jq -r .metadata.uid <<< "$pod")" ]
  [ "$(state_of Deployment/web)" = pending ]
}

@test "pods: the script of coverage repairs it" {
  "$COMMAND" coverage --cluster --namespace "$NAMESPACE" -o restart --state pending > "$BATS_TEST_TMPDIR/restart.sh"
  # Without nodes a rollout never ends.
  has_nodes || sed -i '/ rollout status /d' "$BATS_TEST_TMPDIR/restart.sh"
  sh "$BATS_TEST_TMPDIR/restart.sh"
  [ "$(pod_of web | jq -r "$PORT")" = 9531 ]
  [ "$(state_of Deployment/web)" = up-to-date ]
}

@test "pods: another build of the module changes nothing by itself" {
  [ -n "${POLICY_NEXT:-}" ] || skip 'POLICY_NEXT names no module'
  pod=$(pod_of web | jq -r .metadata.uid)
  change "$PODS" '[{"op": "replace", "path": "/spec/module", "value": "'"$POLICY_NEXT"'"}]'
  wait_until pod "$PORT" 9531
  [ "$(pod_of web | jq -r .metadata.uid)" = "$pod" ]
}

@test "pods: the policy leaves, and new Pods are as their template says" {
  forget "$PODS"
  kube rollout restart deployment/web
  [ "$(pod_of web | jq -r "$AGENTS")" = '' ]
  same "$(stored web)" "$(manifest web "$JAVA" | as_bare)"
}

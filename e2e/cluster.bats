#!/usr/bin/env bats
# The policy in a cluster with Kubewarden: `make e2e-cluster`.
#
# Needs kubectl, and a cluster of its own (kind will do) in which Kubewarden's controller and a
# policy server run. POLICY names the module as the policy server can pull it, such as
# registry://HOST/policies/datakit-injection-policy:v0.1.0.

bats_require_minimum_version 1.5.0

NAMESPACE=datakit-injection-e2e

setup_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  : "${POLICY:?names the module, as the policy server can pull it}"
  kubectl get crd clusteradmissionpolicies.policies.kubewarden.io > /dev/null
  kubectl create namespace "$NAMESPACE"
  # A workload from before the policy: nothing may restart it.
  kubectl -n "$NAMESPACE" create deployment before --image=registry.k8s.io/pause:3.10
  kubectl -n "$NAMESPACE" rollout status deployment/before --timeout=120s
  sed "s|registry://[^ ]*|$POLICY|" deploy/base/workloads.yaml | kubectl apply -f -
  kubectl wait --for=condition=PolicyActive --timeout=180s \
    clusteradmissionpolicy/datakit-injection-workloads
}

teardown_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  kubectl delete --ignore-not-found -f deploy/base/workloads.yaml
  kubectl delete --ignore-not-found namespace "$NAMESPACE"
}

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

@test "what is stored is what is expected" {
  for manifest in nginx logging movies-java movies-python; do
    kubectl -n "$NAMESPACE" apply -f "examples/$manifest.yaml"
    name=$(kubectl create --dry-run=client -f "examples/$manifest.yaml" -o jsonpath='{.metadata.name}')
    for list in containers initContainers volumes; do
      path="{.spec.template.spec.${list}[*].name}"
      stored=$(kubectl -n "$NAMESPACE" get deployment "$name" -o jsonpath="$path")
      expected=$(kubectl create --dry-run=client -f "examples/expected/$manifest.yaml" \
        -o jsonpath="$path")
      [ "$stored" = "$expected" ]
    done
  done
}

@test "a second apply changes nothing" {
  before=$(kubectl -n "$NAMESPACE" get deployment nginx-deployment -o jsonpath='{.metadata.generation}')
  kubectl -n "$NAMESPACE" apply -f examples/nginx.yaml
  after=$(kubectl -n "$NAMESPACE" get deployment nginx-deployment -o jsonpath='{.metadata.generation}')
  [ "$before" = "$after" ]
}

@test "an installed policy restarts nothing" {
  kubectl -n "$NAMESPACE" label deployment before touched=yes
  kubectl -n "$NAMESPACE" scale deployment before --replicas=2
  revision='{.metadata.annotations.deployment\.kubernetes\.io/revision}'
  [ "$(kubectl -n "$NAMESPACE" get deployment before -o jsonpath="$revision")" = 1 ]
}

@test "a Job with a sidecar ends" {
  kubectl -n "$NAMESPACE" apply -f - << 'YAML'
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
  name=$(kubectl -n "$NAMESPACE" get job ends -o jsonpath='{.spec.template.spec.initContainers[0].name}')
  [ "$name" = datakit-logfwd ]
  kubectl -n "$NAMESPACE" wait --for=condition=Complete --timeout=180s job/ends
}

@test "kubectl shows the warnings" {
  run kubectl -n "$NAMESPACE" apply -f - << 'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: warned
spec:
  selector: { matchLabels: { app: warned } }
  template:
    metadata:
      labels: { app: warned }
      annotations:
        admission.datakit/java-lib.version: "no tag"
    spec:
      containers: [{ name: main, image: "registry.k8s.io/pause:3.10" }]
YAML
  [ "$status" -eq 0 ]
  [[ "$output" == *"Warning: ddtrace-java is not injected into Deployment/warned"* ]]
}

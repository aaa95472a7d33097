#!/usr/bin/env bats
# Applications that are traced: `make e2e-traced`. A Java and a Python program run in a cluster of e2e/kind.sh with the
# images of the Operator's default settings, and an agent of our own receives what they and logfwd send.

# shellcheck disable=SC2030,SC2031,SC2153 # each test is a subshell, and cluster.bash sets COMMAND
# shellcheck source=e2e/cluster.bash

bats_require_minimum_version 1.5.0
load cluster

# The settings: each library where the label names its language, logfwd beside Python. Images and addresses are the
# defaults.
settings() {
  jq '.admission_inject_v2 |= (.ddtraces[0].envs as $envs
    | .ddtraces |= map(.label_selectors = ["app=" + .language] | .envs = $envs)
    | .logfwds[0] |= (.label_selectors = ["app=python"]
      | .log_configs = ([{ type: "file", path: "/var/log/app/*.log", source: "app" }] | tojson)))' examples/settings-v2.json
}

setup_file() {
  prepare
  settings > "$BATS_FILE_TMPDIR/settings.json"
  "$COMMAND" convert --resources pods "$BATS_FILE_TMPDIR/settings.json" |
    sed "s|registry://[^ ]*|$POLICY|; s|^  mode: .*|  mode: protect|" > "$BATS_FILE_TMPDIR/policy.yaml"
}

teardown_file() {
  kubectl delete --ignore-not-found -f "$BATS_FILE_TMPDIR/policy.yaml"
  kubectl delete --ignore-not-found namespace datakit "$NAMESPACE"
}

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

# Prints what the agent has received.
received() {
  kubectl get --raw /api/v1/namespaces/datakit/services/http:datakit-service:traces/proxy/received
}

# Waits until a filter is true of what the agent has received, and prints the last of it if it never is.
until_received() {
  for _ in $(seq 120); do
    ! received | jq -e "$1" > /dev/null || return 0
    sleep 1
  done
  received | jq '{ spans: .spans[-3:], lines: .lines[-3:] }' >&2
  kube describe pods >&2
  return 1
}

@test "every image can be pulled" {
  images=$(jq -r '.admission_inject_v2 | (.ddtraces[] | select(.language | IN("java", "python"))), .logfwds[] | .image' \
    "$BATS_FILE_TMPDIR/settings.json"; sed -n 's/^ *image: //p' e2e/traced/cluster.yaml | sort -u)
  # shellcheck disable=SC2086 # one word for each image
  e2e/kind.sh pull $images
}

@test "the programs run, with what was injected" {
  kubectl create namespace datakit
  kubectl create namespace "$NAMESPACE"
  kubectl -n datakit create configmap agent --from-file=e2e/traced/agent.py
  kube create configmap app --from-file=e2e/traced/App.java --from-file=e2e/traced/app.py
  kubectl apply -f "$BATS_FILE_TMPDIR/policy.yaml"
  kubectl wait --for=condition=PolicyActive --timeout=180s -f "$BATS_FILE_TMPDIR/policy.yaml"
  kubectl apply -f e2e/traced/cluster.yaml
  kubectl -n datakit rollout status daemonset/datakit --timeout=180s
  for name in java python; do
    kube rollout status "deployment/$name" --timeout=180s
    init=$(kube get pods -l "app=$name" -o jsonpath='{.items[*].spec.initContainers[*].name}')
    [ "$init" = datakit-lib-init ]
  done
}

@test "a trace of the Java program arrives, with its service and its Pod" {
  until_received '.spans | any(.language == "java" and .service == "java" and (.pod | startswith("java-")))'
}

@test "a trace of the Python program arrives, with its service and its Pod" {
  until_received '.spans | any(.language == "python" and .service == "python" and (.pod | startswith("python-")))'
}

@test "a line of the log arrives through logfwd" {
  until_received '.lines | any(.source == "app" and (.log | endswith("a query was made")))'
}

#!/usr/bin/env bats
# The annotated module under kwctl: `make e2e-tests`.
#
# The cases are those of `make test`: every manifest in examples/ has its outcome in
# examples/expected/.

bats_require_minimum_version 1.5.0

setup_file() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
  for tool in kwctl jq python3; do
    command -v "$tool" > /dev/null || { echo "$tool is missing" >&2; return 1; }
  done
  python3 -c 'import yaml, jsonpatch' || {
    echo 'python3 needs yaml and jsonpatch: apt install python3-yaml python3-jsonpatch' >&2
    return 1
  }
  export MODULE=annotated-policy.wasm
}

setup() {
  cd "$BATS_TEST_DIRNAME/.." || return 1
}

# Prints a manifest as JSON.
json_of() {
  python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)' "$1"
}

# Prints the admission request for a manifest.
request_of() {
  json_of "$1" > "$BATS_TEST_TMPDIR/object.json"
  kwctl scaffold admission-request --operation CREATE --object "$BATS_TEST_TMPDIR/object.json"
}

# Prints a manifest as the response on standard input patches it.
patched() {
  jq -e -r .patch | base64 -d > "$BATS_TEST_TMPDIR/patch.json"
  python3 - "$1" "$BATS_TEST_TMPDIR/patch.json" << 'PYTHON'
import json, sys, jsonpatch, yaml
manifest, patch = (open(path) for path in sys.argv[1:])
json.dump(jsonpatch.apply_patch(yaml.safe_load(manifest), json.load(patch)), sys.stdout)
PYTHON
}

# Checks that the response on standard input patches a manifest into what is expected.
patches_into() {
  diff -u <(json_of "$2" | jq -S .) <(patched "$1" | jq -S .)
}

# Prints a policy's manifest with the module that was built, in the mode that injects.
policy_of() {
  sed -e "s|registry://[^ ]*|file://$PWD/$MODULE|" -e 's|mode: monitor|mode: protect|' "$1"
}

@test "every example comes out as expected" {
  for manifest in examples/*.yaml; do
    request_of "$manifest" > "$BATS_TEST_TMPDIR/request.json"
    run --separate-stderr kwctl run -r "$BATS_TEST_TMPDIR/request.json" \
      -s examples/settings.json "$MODULE"
    [ "$status" -eq 0 ]
    [ "$(jq -r .allowed <<< "$output")" = true ]
    patches_into "$manifest" "examples/expected/$(basename "$manifest")" <<< "$output"
  done
}

@test "a manifest that asks for nothing gets no patch" {
  sed '/annotations:/,/lib.version/d' examples/nginx.yaml > "$BATS_TEST_TMPDIR/plain.yaml"
  request_of "$BATS_TEST_TMPDIR/plain.yaml" > "$BATS_TEST_TMPDIR/request.json"
  run --separate-stderr kwctl run -r "$BATS_TEST_TMPDIR/request.json" \
    -s examples/settings.json "$MODULE"
  [ "$status" -eq 0 ]
  [ "$(jq -r '.allowed, .patch, .warnings' <<< "$output")" = $'true\nnull\nnull' ]
}

@test "errors of the settings have their paths" {
  echo 'admission_inject_v2: { ddtraces: [{ namespace_selectors: ["*"] }] }' \
    > "$BATS_TEST_TMPDIR/settings.yml"
  request_of examples/nginx.yaml > "$BATS_TEST_TMPDIR/request.json"
  run kwctl run -r "$BATS_TEST_TMPDIR/request.json" -s "$BATS_TEST_TMPDIR/settings.yml" "$MODULE"
  [[ "$output" == *"admission_inject_v2.ddtraces[0].language: is required"* ]]
  [[ "$output" == *"admission_inject_v2.ddtraces[0].image: is required"* ]]
}

@test "the policies for a cluster inject what is expected" {
  for pair in workloads/nginx pods/logging-pod; do
    example="${pair#*/}.yaml"
    policy_of "deploy/base/${pair%/*}.yaml" > "$BATS_TEST_TMPDIR/policy.yaml"
    request_of "examples/$example" > "$BATS_TEST_TMPDIR/request.json"
    run --separate-stderr kwctl run -r "$BATS_TEST_TMPDIR/request.json" \
      "$BATS_TEST_TMPDIR/policy.yaml"
    [ "$status" -eq 0 ]
    [ "$(jq -r .allowed <<< "$output")" = true ]
    patches_into "examples/$example" "examples/expected/$example" <<< "$output"
  done
}

@test "the policy for a namespace injects by label, and keeps a record of its own" {
  policy_of deploy/base/namespaced.yaml > "$BATS_TEST_TMPDIR/policy.yaml"
  sed -e '/annotations:/,/lib.version/d' -e 's/^        app: nginx$/&\n        tracing: java/' \
    examples/nginx.yaml > "$BATS_TEST_TMPDIR/selected.yaml"
  request_of "$BATS_TEST_TMPDIR/selected.yaml" > "$BATS_TEST_TMPDIR/request.json"
  run --separate-stderr kwctl run -r "$BATS_TEST_TMPDIR/request.json" "$BATS_TEST_TMPDIR/policy.yaml"
  [ "$status" -eq 0 ]
  [ "$(jq -r .allowed <<< "$output")" = true ]
  patched "$BATS_TEST_TMPDIR/selected.yaml" <<< "$output" > "$BATS_TEST_TMPDIR/got.json"
  # What it adds is what the policy for workloads adds, but for the default resources of version 2.
  spec='.spec.template.spec | del(.initContainers[].resources)'
  diff -u <(json_of examples/expected/nginx.yaml | jq -S "$spec") \
    <(jq -S "$spec" "$BATS_TEST_TMPDIR/got.json")
  [ "$(jq -r '.spec.template.metadata.annotations | keys[]' "$BATS_TEST_TMPDIR/got.json")" = \
    admission.datakit/injected.shop ]

  json_of examples/nginx.yaml | jq 'del(.spec.template.metadata.annotations)' \
    > "$BATS_TEST_TMPDIR/other.yaml"
  request_of "$BATS_TEST_TMPDIR/other.yaml" > "$BATS_TEST_TMPDIR/request.json"
  run --separate-stderr kwctl run -r "$BATS_TEST_TMPDIR/request.json" "$BATS_TEST_TMPDIR/policy.yaml"
  [ "$(jq -r '.allowed, .patch' <<< "$output")" = $'true\nnull' ]
}

@test "the module comes back from a registry as it was pushed" {
  command -v docker-registry > /dev/null || {
    echo 'docker-registry is missing: apt install docker-registry' >&2
    return 1
  }
  local port=5987
  cat > "$BATS_TEST_TMPDIR/registry.yml" << YAML
version: 0.1
storage: { filesystem: { rootdirectory: $BATS_TEST_TMPDIR/registry } }
http: { addr: 127.0.0.1:$port }
YAML
  printf 'insecure_sources: ["localhost:%s"]\n' "$port" > "$BATS_TEST_TMPDIR/sources.yml"
  docker-registry serve "$BATS_TEST_TMPDIR/registry.yml" > "$BATS_TEST_TMPDIR/registry.log" 2>&1 &
  echo $! > "$BATS_TEST_TMPDIR/registry.pid"
  for _ in $(seq 50); do
    curl -sf "http://localhost:$port/v2/" > /dev/null && break
    sleep 0.1
  done
  local image="localhost:$port/policies/datakit-injection-policy" digest
  digest=$(kwctl push --sources-path "$BATS_TEST_TMPDIR/sources.yml" --output json "$MODULE" "registry://$image:v0.1.0" |
    jq -er '.immutable_ref | sub(".*@"; "")')
  kwctl pull --sources-path "$BATS_TEST_TMPDIR/sources.yml" -o "$BATS_TEST_TMPDIR/pulled.wasm" \
    "registry://$image:v0.1.0"
  cmp "$MODULE" "$BATS_TEST_TMPDIR/pulled.wasm"
  # The manifests of a release name the tag and the digest.
  make release-manifests "FOLDER=$BATS_TEST_TMPDIR" "REFERENCE=$image:v0.1.0@$digest"
  for name in workloads pods namespaced; do
    kwctl pull --sources-path "$BATS_TEST_TMPDIR/sources.yml" -o "$BATS_TEST_TMPDIR/$name.wasm" \
      "$(sed -n 's/^  module: //p' "$BATS_TEST_TMPDIR/$name.yaml")"
    cmp "$MODULE" "$BATS_TEST_TMPDIR/$name.wasm"
  done
}

teardown() {
  if [ -e "$BATS_TEST_TMPDIR/registry.pid" ]; then
    kill "$(< "$BATS_TEST_TMPDIR/registry.pid")"
  fi
}

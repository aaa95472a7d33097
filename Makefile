# What each target does: make help.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

TARGET := wasm32-unknown-unknown
BUILT := target/$(TARGET)/release/datakit_injection.wasm
SOURCES := $(shell find src -name '*.rs') build.rs Cargo.toml Cargo.lock rust-toolchain.toml .cargo/config.toml
JS_SOURCES := $(SOURCES) $(shell find npm/bindings npm/bindgen crates/settings-tools crates/messages -type f)

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE := $(shell sed -n 's/.*ociUrl: //p' policy-metadata.yml):v$(VERSION)
MODULE := annotated-policy.wasm
KWCTL_FLAGS :=
GET_KWCTL := see https://docs.kubewarden.io/howtos/install-kwctl

# What is built once gains nothing from incremental compilation, nor from debug information.
ifdef CI
export CARGO_INCREMENTAL := 0
export CARGO_PROFILE_DEV_DEBUG := 0
endif

# Says which tool is missing and how to get it.
need = command -v $(1) > /dev/null || { echo '$(1) is missing: $(2)' >&2; exit 1; }

# What begins.
say = printf '\n==> %s\n' '$(1)'

CARGO_HOME ?= $(HOME)/.cargo
# Joins the flags of .cargo/config.toml, which RUSTFLAGS would replace.
remap = --config "target.$(1).rustflags = \
  ['--remap-path-prefix=$(CARGO_HOME)=cargo', '--remap-path-prefix=$(CURDIR)=.']"
REMAP := $(call remap,$(TARGET))

ZIZMOR_VERSION := 1.32.0
ZIZMOR := target/zizmor-$(ZIZMOR_VERSION)/bin/zizmor
SCRIPTS := $(wildcard e2e/*.bats e2e/*.bash e2e/*.sh)

MANIFEST ?= examples/nginx.yaml
SETTINGS ?= examples/settings.json

.PHONY: help
help: ## Say what each target does.
	@grep -hE '^[a-zA-Z0-9._-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 24

INJECT := cargo run --quiet --locked --package datakit-inject --

.PHONY: run
run: ## Run MANIFEST (the seed's nginx) with SETTINGS through the command; show the changes and the reasons.
	@$(call need,cargo,see https://rustup.rs)
	@$(call say,build the command datakit-inject)
	cargo build --locked --package datakit-inject
	@$(call say,$(MANIFEST) with $(SETTINGS))
	@$(INJECT) diff --settings "$(SETTINGS)" "$(MANIFEST)"
	@$(INJECT) explain --settings "$(SETTINGS)" "$(MANIFEST)"

.PHONY: run-module
run-module: policy.wasm ## The same through the module in an embedded host, which takes minutes to build.
	@$(call say,build an embedded host with the crates of the policy server)
	cargo build --locked --example run
	@$(call say,$(MANIFEST) with $(SETTINGS))
	@cargo run --quiet --locked --example run -- "$(SETTINGS)" "$(MANIFEST)"
	@printf 'module: %s bytes\n' "$$(wc -c < policy.wasm)"

# Generated cases are the same each time, so that what fails is what changed. SEED gives others.
SEED := 1

.PHONY: test
test: export PROPTEST_RNG_SEED = $(SEED)
test: lint policy.wasm npm/wasm/datakit_injection_bg.wasm node_modules/.package-lock.json chromium ## Check formats and lints; test natively, on the module, in Node, in a browser.
	@$(call say,test the crates; what needs the module runs it in an embedded host)
	cargo test --locked --workspace
	@$(call say,count the instructions of a request)
	@$(MAKE) --no-print-directory instructions
	@$(call say,test the npm package and the page and the site in a browser)
	npm test --workspaces
	python3 -m unittest discover --quiet --start-directory e2e/traced --pattern '*_test.py'

# Checking needs no libFuzzer, which is half a minute of C++.
UNBUILT := none/libfuzzer.a

.PHONY: lint
lint: setup node_modules/.package-lock.json ## Check formats and lints.
	@$(call say,check formats)
	npm run lint
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	@$(call say,check lints)
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --target $(TARGET) -- -D warnings
	CUSTOM_LIBFUZZER_PATH=$(UNBUILT) cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz -- -D warnings
	@if command -v cargo-deny > /dev/null; then \
	  $(call say,check licences and sources); cargo deny --log-level error check licenses bans sources; \
	  else echo 'NOT CHECKED: licences and sources; cargo install cargo-deny --locked'; fi
	@if command -v promtool > /dev/null; then \
	  promtool check rules deploy/monitoring/rules.yaml && promtool test rules tests/monitoring/rules.test.yaml; \
	  else echo 'NOT CHECKED: alert rules; apt install prometheus'; fi
	@$(MAKE) --no-print-directory lint-workflows

# actionlint and shellcheck come from no registry that this file installs from.
.PHONY: lint-workflows
lint-workflows: $(ZIZMOR) ## Check the workflows and the scripts of e2e/.
	$(ZIZMOR) --quiet --offline --strict-collection .github
	@if command -v actionlint > /dev/null; then actionlint; \
	  else echo 'NOT CHECKED: workflows by actionlint; see https://github.com/rhysd/actionlint'; fi
	@if command -v shellcheck > /dev/null; then shellcheck --external-sources $(SCRIPTS); \
	  else echo 'NOT CHECKED: scripts; apt install shellcheck'; fi

# In a virtual environment, which some systems have in a package of its own.
$(ZIZMOR):
	@python3 -c 'import ensurepip' 2> /dev/null || { \
	  command -v apt-get > /dev/null && test "$$(id -u)" = 0 && \
	  apt-get update -qq && apt-get install -y -qq python3-venv > /dev/null; } || { \
	  echo 'python3 with venv is missing: apt install python3-venv' >&2; exit 1; }
	python3 -m venv $(@D)/..
	$(@D)/pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: zizmor==$(ZIZMOR_VERSION)

.PHONY: advisories
advisories: ## Check dependencies against the advisory databases, which are fetched (cargo-deny, npm).
	@$(call need,cargo-deny,cargo install cargo-deny --locked)
	cargo deny check advisories
	npm audit

# bindgen reads from what `strip` would remove which features of WebAssembly a module uses, and strips it
# itself; so this module has a target folder of its own.
npm/wasm/datakit_injection_bg.wasm: export CARGO_PROFILE_RELEASE_STRIP = false
npm/wasm/datakit_injection_bg.wasm: $(JS_SOURCES) | setup
	@$(call say,build the module of the npm package)
	cargo build $(REMAP) --locked --release --target $(TARGET) --package datakit-injection-js --target-dir target/js
	cargo run --quiet --locked --package bindgen -- \
	  target/js/$(TARGET)/release/datakit_injection_js.wasm npm/wasm

node_modules/.package-lock.json: package.json package-lock.json npm/package.json playground/package.json site/package.json
	@$(call need,npm,see https://nodejs.org: version 20 or later)
	@$(call say,install the npm packages)
	npm ci --no-audit --no-fund
	@touch $@

.PHONY: playground
playground: npm/wasm/datakit_injection_bg.wasm node_modules/.package-lock.json ## Build the playground; serve it on loopback.
	npm start --workspace playground

# Links to what is not in the site lead to the repository at SITE_REF: a tag, or `main` without one.
.PHONY: site
site: npm/wasm/datakit_injection_bg.wasm node_modules/.package-lock.json ## Build the site into site/dist: the documents and the playground.
	npm run build --workspace site

BROWSERS := chromium chromium-browser google-chrome

# CHROMIUM names another one.
.PHONY: chromium
chromium:
	@test -n "$${CHROMIUM:-}" || command -v $(BROWSERS) > /dev/null || { $(call say,install a browser); \
	  command -v apt-get > /dev/null && test "$$(id -u)" = 0 && \
	  apt-get update -qq && apt-get install -y -qq chromium > /dev/null; } || { \
	  echo 'a browser is missing: apt install chromium, or name one in CHROMIUM' >&2; exit 1; }

.PHONY: npm
npm: npm/wasm/datakit_injection_bg.wasm node_modules/.package-lock.json ## Build, test and pack the npm package.
	npm test --workspace npm
	npm pack --workspace npm --pack-destination npm

# Paths of this machine are no part of what is released: two builds in two folders give the same bytes.
policy.wasm: $(SOURCES) | setup ## Build the policy module.
	@$(call say,build the policy module)
	cargo build $(REMAP) --locked --release --target $(TARGET)
	@cp $(BUILT) $@

TARGET_MUSL := $(shell uname -m)-unknown-linux-musl
COMMAND_BINARY := target/$(TARGET_MUSL)/release/datakit-inject
COMPANION_BINARY := target/$(TARGET_MUSL)/server/datakit-companion

.PHONY: musl
musl: setup
	@if command -v rustup > /dev/null; then \
	  rustup target list --installed | grep -qx $(TARGET_MUSL) || rustup target add $(TARGET_MUSL); fi

static = @if readelf --dynamic --wide $(1) | grep NEEDED >&2; then echo '$(1) is not static' >&2; exit 1; fi

.PHONY: command-binary
command-binary: musl ## Build datakit-inject as a static file.
	cargo build $(call remap,$(TARGET_MUSL)) --locked --release --package datakit-inject --target $(TARGET_MUSL)
	$(call static,$(COMMAND_BINARY))

# `ring` has a little C, which needs musl's compiler; the binary needs nothing.
.PHONY: companion-binary
companion-binary: export CFLAGS = -ffile-prefix-map=$(CARGO_HOME)=cargo -ffile-prefix-map=$(CURDIR)=.
companion-binary: musl ## Build the companion as a static file (musl-gcc).
	@$(call need,musl-gcc,apt install musl-tools)
	CC_$(subst -,_,$(TARGET_MUSL))=musl-gcc \
	  cargo build $(call remap,$(TARGET_MUSL)) --locked --profile server --package datakit-companion --target $(TARGET_MUSL)
	$(call static,$(COMPANION_BINARY))

RELEASED := policy.wasm $(COMMAND_BINARY) $(COMPANION_BINARY)

.PHONY: verify-reproducible
verify-reproducible: policy.wasm command-binary companion-binary ## Build the module, the command and the companion in another folder; compare the bytes.
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	  git ls-files -z | xargs -0 cp --parents -t "$$folder"; \
	  $(MAKE) --no-print-directory -C "$$folder" policy.wasm command-binary companion-binary; \
	  for file in $(RELEASED); do \
	    cmp "$$file" "$$folder/$$file"; echo "both have $$(sha256sum < "$$file") $$file"; done

# rustup may not be allowed to install toolchains by itself (RUSTUP_AUTO_INSTALL=0), but it always
# adds a target or a component to the toolchain that is active.
annotated-policy.wasm: policy.wasm policy-metadata.yml README.md ## Annotate the module (kwctl).
	@$(call need,kwctl,$(GET_KWCTL))
	kwctl annotate -m policy-metadata.yml -u README.md -o $@ policy.wasm

# Artifact Hub has one description, in English. `install`, which is Markdown, ends with one in Chinese.
define CHINESE

  Kubewarden 策略，为 Kubernetes 工作负载注入 Datakit 的可观测能力（DDTrace、OpenTelemetry、logfwd、profiler 和日志采集注解），与 Datakit Operator 相同；设置就是 Operator 的配置，一字不改。
  中文文档：[README.zh-CN.md](https://github.com/GuanceCloud/datakit-injection-policy/blob/main/README.zh-CN.md)
endef
artifacthub-pkg.yml: export CHINESE := $(CHINESE)
artifacthub-pkg.yml: policy-metadata.yml questions-ui.yml Cargo.toml ## Make the package file (kwctl).
	@$(call need,kwctl,$(GET_KWCTL))
	kwctl scaffold artifacthub -m policy-metadata.yml -q questions-ui.yml -v "$(VERSION)" -o $@
	awk '/^maintainers:/ { print ENVIRON["CHINESE"] } { print }' $@ > $@.new
	mv $@.new $@

.PHONY: e2e-tests
e2e-tests: annotated-policy.wasm ## Test the annotated module under kwctl (kwctl, bats).
	@$(call need,bats,apt install bats)
	bats e2e/kwctl.bats

.PHONY: e2e-cluster e2e-traced
e2e-cluster: ## Test in a cluster with Kubewarden (kubectl, jq, bats; POLICY names the module; e2e/kind.sh makes one).
e2e-traced: ## Test that applications are traced, in a cluster of e2e/kind.sh.
e2e-cluster e2e-traced: e2e-%:
	@$(call need,kubectl,see https://kubernetes.io/docs/tasks/tools/)
	@$(call need,jq,apt install jq)
	@$(call need,bats,apt install bats)
	cargo build --quiet --locked --package datakit-inject
	bats e2e/$*.bats

.PHONY: clean-tree
clean-tree:
	@test -z "$$(git status --porcelain)" || { echo 'commit your changes first:' >&2; git status --short >&2; exit 1; }

# `kwctl pull` returns without asking the registry if its output file exists, and /dev/null does.
.PHONY: publish
publish: $(MODULE) clean-tree ## Push MODULE to its registry (kwctl): a clean tree, a new version.
	@$(call need,kwctl,$(GET_KWCTL))
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	  if kwctl pull $(KWCTL_FLAGS) -o "$$folder/policy.wasm" "registry://$(IMAGE)" &> /dev/null; then \
	  echo '$(IMAGE) is there already: raise the version' >&2; exit 1; fi
	@kwctl push $(KWCTL_FLAGS) --output json "$(MODULE)" "registry://$(IMAGE)"

# What a release attaches, so that nobody needs a checkout.
.PHONY: release-manifests
release-manifests: ## Write the policies of deploy/base into FOLDER, with the module at REFERENCE.
	@$(if $(FOLDER),,$(error FOLDER is missing))$(if $(REFERENCE),,$(error REFERENCE is missing))
	@for name in pods workloads namespaced; do \
	  sed 's|^  module: registry://.*|  module: registry://$(REFERENCE)|' deploy/base/$$name.yaml > "$(FOLDER)/$$name.yaml"; \
	  grep --quiet --line-regexp --fixed-strings '  module: registry://$(REFERENCE)' "$(FOLDER)/$$name.yaml"; done

# Artifact Hub reads a branch that has a folder for each version.
REMOTE = $(shell git remote get-url origin)
.PHONY: artifacthub-branch
artifacthub-branch: ## Add this version to the branch `artifacthub` of REMOTE.
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	  version=$$folder/datakit-injection-policy/$(VERSION); \
	  git -C "$$folder" init --quiet --initial-branch artifacthub; \
	  if git ls-remote --exit-code --heads '$(REMOTE)' artifacthub > /dev/null; then \
	    git -C "$$folder" pull --quiet --depth 1 '$(REMOTE)' artifacthub; fi; \
	  mkdir -p "$$(dirname "$$version")"; mkdir "$$version"; \
	  cp artifacthub-repo.yml "$$folder"; cp artifacthub-pkg.yml README.md "$$version"; \
	  git -C "$$folder" add .; \
	  git -C "$$folder" commit --quiet --message 'Add version $(VERSION)'; \
	  git -C "$$folder" push --quiet '$(REMOTE)' artifacthub

.PHONY: conditions
conditions: ## Renew the conditions in deploy/ from the settings of each manifest.
	UPDATE_EXPECT=1 cargo test --locked --test it deploy::conditions_are_compiled

.PHONY: instructions
instructions: ## Count a request's instructions; fail where they grew by 5 %, or faster than a list (valgrind; UPDATE=--update).
	@if command -v valgrind > /dev/null; then \
	  cargo build --locked --release --bin datakit_injection && benches/instructions.sh $(UPDATE) && benches/growth.py; \
	  else echo 'NOT CHECKED: instructions; apt install valgrind'; fi

.PHONY: bench
bench: instructions policy.wasm ## Measure against baselines of the same run; print ratios. Then the companion's load.
	cargo build --locked --release --target $(TARGET) --package bench-guests --examples
	cargo bench --locked --bench evaluate
	@$(MAKE) --no-print-directory bench-companion

.PHONY: bench-companion
bench-companion: ## Measure the companion under the load of a large cluster, for a minute.
	cargo bench --locked --package datakit-companion

COMPANION_FLAGS := --listen 127.0.0.1:9543

.PHONY: run-companion
run-companion: ## Run the companion with both services against the current kubeconfig; COMPANION_FLAGS has more options.
	cargo run --quiet --locked --package datakit-companion -- --election --logging-configs $(COMPANION_FLAGS)

FUZZ_TARGETS := payload settings label_selector image_reference logfwd_annotation
SECONDS = 60

# libFuzzer's instrumentation needs no nightly compiler; the address sanitizer would.
.PHONY: fuzz
fuzz: ## Fuzz each target for SECONDS.
	@$(call need,cargo-fuzz,cargo install cargo-fuzz --locked)
	for target in $(FUZZ_TARGETS); do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo fuzz run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -max_len=65536; \
	done

.PHONY: setup
setup:
	@$(call need,cargo,see https://rustup.rs)
	@if command -v rustup > /dev/null; then \
	  rustup target list --installed | grep -qx $(TARGET) || rustup target add $(TARGET); \
	  rustup component list --installed | grep -q '^clippy' || rustup component add clippy; \
	  rustup component list --installed | grep -q '^rustfmt' || rustup component add rustfmt; \
	fi

.PHONY: clean
clean: ## Remove everything that was built.
	cargo clean
	rm -rf policy.wasm annotated-policy.wasm node_modules npm/wasm npm/*.tgz playground/dist site/dist

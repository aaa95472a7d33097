# What each target does: make help.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

TARGET := wasm32-unknown-unknown
BUILT := target/$(TARGET)/release/datakit_injection.wasm
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock rust-toolchain.toml

MANIFEST ?= examples/nginx.yaml
SETTINGS ?= examples/settings.json

.PHONY: help
help: ## Say what each target does.
	@grep -hE '^[a-zA-Z._-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

.PHONY: run
run: policy.wasm ## Run MANIFEST (the seed's nginx) with SETTINGS through the module; show the changes.
	@cargo run --quiet --locked --example run -- "$(SETTINGS)" "$(MANIFEST)"
	@printf 'module: %s bytes\n' "$$(wc -c < policy.wasm)"

.PHONY: test
test: lint policy.wasm ## Check formats and lints; test natively and on the built module.
	cargo test --locked

.PHONY: lint
lint: setup ## Check formats and lints.
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	cargo clippy --locked --target $(TARGET) -- -D warnings

policy.wasm: $(SOURCES) | setup ## Build the policy module.
	cargo build --locked --release --target $(TARGET)
	@cp $(BUILT) $@

# rustup may not be allowed to install toolchains by itself (RUSTUP_AUTO_INSTALL=0), but it always
# adds a target or a component to the toolchain that is active.
.PHONY: bench
bench: policy.wasm ## Measure against baselines of the same run; print ratios.
	cargo build --release --target $(TARGET) --examples --manifest-path benches/guests/Cargo.toml
	cargo bench --locked --bench evaluate

.PHONY: setup
setup:
	@command -v cargo > /dev/null || { \
	  echo 'cargo is missing; see https://rustup.rs' >&2; exit 1; }
	@if command -v rustup > /dev/null; then \
	  rustup target list --installed | grep -qx $(TARGET) || rustup target add $(TARGET); \
	  rustup component list --installed | grep -q '^clippy' || rustup component add clippy; \
	  rustup component list --installed | grep -q '^rustfmt' || rustup component add rustfmt; \
	fi

.PHONY: clean
clean: ## Remove everything that was built.
	cargo clean
	rm -f policy.wasm annotated-policy.wasm

# Waypost on a bare Debian, root or not: every target installs what it needs and can, and says what it cannot.

.DEFAULT_GOAL := help
.PHONY: help run test lint gen bench clean

TARGET := $(or $(CARGO_TARGET_DIR),target)
# rustup puts cargo here, and a shell that was open before does not know.
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## This list.
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: ## Build the release and start Waypost (the default build: it talks to WhatsApp and to nothing else).
	@scripts/setup.sh run
	cargo build --release --package waypost-server
	@scripts/settle-build.sh
	@echo "Waypost is built: $(TARGET)/release/waypost"
	@exec "$(TARGET)/release/waypost" serve

test: ## Run every test, on SQLite and PostgreSQL, against wa-sim and a real Baileys client.
	@scripts/setup.sh test
	@scripts/test.sh

lint: ## Run every check that is not a test.
	@scripts/setup.sh lint
	@scripts/lint.sh

gen: ## Write the generated files.
	cargo xtask gen

bench: ## Run every benchmark of docs/benchmarks.md on release builds.
	@scripts/setup.sh run
	@scripts/bench.sh

clean: ## Remove what was built. The data folder stays.
	cargo clean
	rm -rf tests/baileys/node_modules tests/browser/node_modules tests/schemathesis/.venv

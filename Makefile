# The developers' entry point: `make` lists the targets. `.ci/run` installs what they need and runs `make ci`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
DEBUG := target/debug/conax-gateway
RELEASE := target/release/conax-gateway

.PHONY: help check test postgres run kills scale docs deny foreign openapi inspector quick-start package operating rules measure ci

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST) | column -t -s: -l2

check: ## format and lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

test: ## the test suite
	cargo test --locked

postgres: ## the tests of the front door again, each gateway on a database of PostgreSQL (TESTS=doubts:: for some of them)
	env -u KILLS TEST_STORE=postgres cargo test --locked --test it -- $(TESTS)

run: ## the gateway with its simulator, on 127.0.0.1:8080
	cargo run --release

kills: ## kill the gateway a thousand times beside a Conax that remembers what it received (KILLS=10 for fewer)
	KILLS=$${KILLS:-1000} cargo test --locked --test it kills -- --nocapture | grep -E "SEED|requests,|test result"

scale: ## a store with a million requests beside one with a thousand (REQUESTS=100000 for fewer)
	cargo build --locked --release
	tests/scale $(RELEASE)

measure: ## the release build beside nginx and PHP: ratios, memory, draining (SECONDS_EACH=1 ROUNDS=1 for a short run)
	cargo build --locked --release
	benches/system/measure.py $(RELEASE) >target/measure.csv
	benches/system/plot.py target/measure.csv >target/measure.svg
	column -ts, target/measure.csv

docs: ## the documentation of the code
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

deny: ## licences, sources, duplicates and advisories of the dependencies
	tests/deny

quick-start: ## the README's quick start, as a new user pastes it
	tests/quick_start

foreign: ## other people's SOAP clients and servers, against the simulator, the gateway and a replay
	cargo build --locked
	tests/foreign/all $(DEBUG)

openapi: ## 50,000 made-up calls of what /openapi.json describes (CASES=2000 for fewer)
	cargo build --locked
	tests/foreign/openapi $(DEBUG) $${CASES:-50000}

inspector: ## the inspector in a headless browser; screenshots of every page are in target/inspector
	cargo build --locked
	tests/inspector/run $(DEBUG)

package: ## the Debian package, with the checks of lintian and systemd
	cargo build --locked --release
	tests/package $(RELEASE) release

operating: ## docs/operating.md, word by word, on a Debian with systemd that is made for it (as root; some minutes)
	cargo build --locked --release
	packaging/build $(RELEASE) release
	tests/operating target/package/conax-gateway.deb

rules: ## the alert rules and their tests, by Prometheus's own tool
	promtool check rules packaging/prometheus/alerts.yml
	promtool test rules packaging/prometheus/alerts_test.yml

ci: export KILLS := 200
ci: export REQUESTS := 100000
ci: export SECONDS_EACH := 1
ci: export ROUNDS := 1
ci: export CONNECTIONS := 32
ci: export DUE := 1000
ci: export TESTS := authentication:: decisions:: doubts:: inspector:: kills:: list:: notes:: processing:: session::
ci: check test postgres quick-start kills docs deny foreign inspector package rules scale measure ## all of them, the long ones short

# The manual: `make help`.
SHELL := /bin/sh
export PATH := $(CURDIR)/.tools/node/bin:$(CURDIR)/node_modules/.bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup run test check demo-outage bench compare clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## get Node, npm packages, Envoy and generated code into this folder
	@.ci/setup

run: setup ## start Envoy, the filter and mock providers; Ctrl-C stops them
	@exec node test/demo/run.ts

test: setup ## run all tests; the last line is "N passed, N failed"
	@node test/run.ts

check: setup ## format, lint, types, import directions, dead code
	@biome check --error-on-warnings .
	@tsc -p .
	@depcruise filter test
	@knip

demo-outage: setup ## a provider answers 529 for a while: mixed traffic, and who noticed
	@node test/demo/outage.ts

bench: setup ## measure cost and added latency; prints a table
	@node test/load/bench.ts
	@node test/load/bench-pairs.ts

compare: setup ## the same side by side with another checkout that is set up: make compare OTHER=../other
	@node test/load/compare.ts $(OTHER)

clean: ## remove everything that setup and runs left here
	rm -rf node_modules .tools var filter/extproc/gen

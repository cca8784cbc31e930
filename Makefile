# MLQ for Go. `make` lists the targets; `make setup test` is all a new checkout needs.

PKG      ?= ./...
TIMEOUT  ?= 20m
FUZZTIME ?= 30s
CHECKS   ?= 10000
CHAOS    ?= 10
BENCH    ?= .
COUNT    ?= 1

TOOL := go tool -modfile=tools/go.mod
# The race detector needs a C compiler; go switches cgo off where there is none.
RACE  = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# Tests that are skipped under it, since it is of no use to them and costs them much.
RACELESS := ^Test(Model|Mutants|AllocationsPerPost|ALostReply)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup redis test race model chaos fuzz cover bench examples check format vet lint tidy docs fmt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: redis ## Install what the tests need: redis-server (by apt-get, if missing) and the modules
	go mod download

redis:
	@sh -c "$$install_redis"

test: ## Run all tests, with the race detector where there is a C compiler (PKG, TIMEOUT)
	@$(if $(RACE),,echo "make test: no C compiler found, so the race detector is off")
	go test $(RACE) -timeout $(TIMEOUT) $(PKG)
	$(if $(RACE),$(if $(filter ./... ./broker,$(PKG)),go test -timeout $(TIMEOUT) -run '$(RACELESS)' ./broker -rapid.checks=50))

race: ## Run all tests again in detail: uncached, in random order, every name printed (PKG, TIMEOUT)
	go test -race -count=1 -shuffle=on -v -timeout $(TIMEOUT) $(PKG)

model: ## Run the broker against its model for long (CHECKS=10000 cases a test)
	go test ./broker -run Model -count=1 -timeout 0 -rapid.checks=$(CHECKS) -damage.all

chaos: ## Kill workers and Redis under load for long (CHAOS=10 times as long as in make test)
	CHAOS=$(CHAOS) go test -race -count=1 -v -timeout 60m ./internal/chaos

fuzz: ## Run every fuzz target for FUZZTIME=30s
	@list=$$(go test -list '^Fuzz' $(PKG)) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/{names[n++]=$$1} $$1=="ok"{for(i=0;i<n;i++) print $$2, names[i]; n=0}' | \
	while read -r package name; do \
		echo "$$package $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

cover: ## Run all tests and tell how much of the code they reach; details in cover.out
	go test -timeout $(TIMEOUT) -coverpkg=./... -coverprofile=cover.out $(PKG)
	@go tool cover -func=cover.out | tail -n 1

bench: ## Run the benchmarks (BENCH=regexp, COUNT=1); compare two runs with benchstat
	go test -run '^$$' -bench '$(BENCH)' -count $(COUNT) -timeout 0 ./benchmarks

examples: ## Run the examples, which need no Redis
	go run ./examples/hello
	go run ./examples/quickstart
	go run ./examples/digits
	go run ./examples/spam
	go run ./examples/resume
	go run ./examples/checkpoint
	go run ./examples/mapreduce
	go run ./examples/batch-inference
	go run ./examples/cron
	go run ./examples/worker

check: format vet tidy docs lint ## Everything short of the tests: format, vet, tidy, docs, lint

format:
	@files=$$(gofmt -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted, run make fmt:" >&2; echo "$$files" >&2; exit 1; fi

vet:
	go vet ./...

tidy:
	@go mod tidy -diff || { echo "go.mod is not tidy, run go mod tidy" >&2; exit 1; }

docs: ## Check doc comments, links in the documentation, and the import table
	go test -count=1 ./internal/arch

lint: ## Run golangci-lint, staticcheck among it; the first run builds it, in a minute or two
	$(TOOL) golangci-lint run

fmt: ## Format the code
	gofmt -w .

# Debian's package starts a service, which nobody here needs: tests start private
# servers. Where no policy forbids it, one does while apt-get works; where there is
# one that allowed it, the new service is stopped. One that ran before is left alone.
define install_redis
set -eu
if command -v redis-server >/dev/null; then
	echo "make setup: redis-server is here: $$(redis-server --version | cut -d' ' -f1-3)"
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo 'make setup: redis-server is missing, and there is no apt-get to install it with.' >&2
	echo 'Install it, 6.2 or newer, then run make setup again:' >&2
	echo '    brew install redis' >&2
	echo '    dnf install redis' >&2
	echo '    apk add redis' >&2
	exit 1
fi
sudo=
if [ "$$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo 'make setup: redis-server is missing; run this as root: apt-get install redis-server' >&2
		exit 1
	fi
	sudo=sudo
fi
running() { $$sudo service redis-server status >/dev/null 2>&1; }
before=stopped
if running; then before=running; fi
policy=/usr/sbin/policy-rc.d
if [ ! -e $$policy ]; then
	trap '$$sudo rm -f '$$policy EXIT
	trap 'exit 130' INT TERM
	printf '#!/bin/sh\nexit 101\n' | $$sudo tee $$policy >/dev/null
	$$sudo chmod 755 $$policy
fi
echo 'make setup: installing redis-server by apt-get'
$$sudo apt-get update -q
$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server
if [ $$before = stopped ] && running; then $$sudo service redis-server stop; fi
command -v redis-server >/dev/null || { echo 'make setup: apt-get installed no redis-server on PATH' >&2; exit 1; }
endef
export install_redis

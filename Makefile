# lkbench: `make run` and `make test` are all a newcomer needs.
GO ?= go
export CGO_ENABLED ?= 0

.PHONY: run test check unit bench build setup images scenarios chaos soak

run:
	$(GO) run ./cmd/lkbench run --arch=lambda,kappa --scenario=spike

build:
	$(GO) build -trimpath -o bin/lkbench ./cmd/lkbench

# Format, vet (both systems), lint, unit tests with the race detector, import rules. Needs only Go (and a C compiler for -race).
check:
	@test -z "$$(gofmt -l .)" || { echo 'gofmt would change:'; gofmt -l .; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=1 $(GO) test -race -short -shuffle=on ./...

# Everything: what check does, then every test with real processes, PostgreSQL, Kafka, containers and a browser. One package at
# a time: on two cores the servers of two packages make each other's brokers miss their sessions.
test: setup check
	$(GO) test -count=1 -p 1 -timeout 20m ./...

# What the tests need beyond Go. Where it may not install, it prints the command.
setup:
	@sh .ci/setup

# The images of --infra=docker, built from local files, for machines that reach no image registry (docs/images.md).
images:
	@sh deploy/images/build.sh

bench:
	sh .ci/bench

# The catalogue in full; seeded chaos (N=200); ten minutes at half of the capacity. Each says at its top what it takes.
scenarios:
	@sh .ci/scenarios

chaos:
	@sh .ci/chaos

soak:
	@sh .ci/soak

# Targets for people; CI runs .ci/run. "make" lists them.
.DEFAULT_GOAL := help
GO ?= go
DURATION ?= 5m
# Executions, not a duration: up to Go 1.26 the end of a timed run can be reported
# as a failure of the target (go.dev/issue/75804).
FUZZTIME ?= 2000000x

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: ## all tests, no server needed
	$(GO) test ./...

race: ## all tests with the race detector
	$(GO) test -race ./...

lint: ## golangci-lint with the repository's configuration
	golangci-lint run ./...

fmt: ## format the code
	gofmt -w .

quickstart: ## see the engine at work on a SQLite file in a temporary directory
	$(GO) run ./examples/quickstart

usage: ## verify some days of a cloud's usage records, from RabbitMQ to RabbitMQ
	$(GO) run ./examples/openstack-usage

embed: ## build and run the example of a host service, a module of its own
	cd examples/embedded && $(GO) run .

bench: ## all benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: ## each fuzz target for 2 million executions (FUZZTIME=…x)
	@grep -roE '^func Fuzz[A-Za-z]+' --include='*_test.go' . | sed 's/:func / /' | sort | while read -r file target; do \
		echo "== $$(dirname $$file) $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 200x $$(dirname $$file) || exit 1; \
	done

crash: ## kill -9 a process 200 times while it adds events and fires streams
	WINCHESTER_CRASH_ROUNDS=200 $(GO) test -count=1 -run TestKill9 -v -timeout 30m .

postgres: ## the engine's tests on PostgreSQL: make postgres URL=postgres://...
	WINCHESTER_POSTGRES=$(URL) WINCHESTER_TEST_DATABASE=postgres $(GO) test -count=1 . ./store ./examples/...

rabbitmq: ## tests of RabbitMQ, which is killed and restarted: make rabbitmq URL=amqp://guest:guest@127.0.0.1:5672/
	WINCHESTER_RABBITMQ=$(URL) $(GO) test -count=1 ./internal/rabbit ./amqp ./handlers/notify ./config ./examples/openstack-usage
	WINCHESTER_RABBITMQ=$(URL) WINCHESTER_RABBITMQ_RESTART=1 $(GO) test -count=1 -p 1 -run '^(TestBrokerKilled|TestConsumerTimeout|TestBlocked)$$' -v ./amqp ./handlers/notify

chaos: ## kill, stop and cut off processes, then check the books: make chaos URL=postgres://... DURATION=30m
	$(GO) run ./internal/chaos/cmd/chaos -url $(URL) -duration $(DURATION)

golden: ## compare with another set of recordings: make golden DIR=/path
	WINCHESTER_GOLDEN=$(DIR) $(GO) test -count=1 -run '^TestGolden' ./...

.PHONY: help test race lint fmt quickstart usage embed bench fuzz crash postgres rabbitmq chaos golden

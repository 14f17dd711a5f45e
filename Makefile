# `make` lists the targets. `make run` and `make test` are all that a newcomer needs.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c

# zmq4 and the race detector are both C.
export CGO_ENABLED := 1

# Go's cache of what is built does not know a new libzmq by its headers; this option, which nothing reads, tells it.
export CGO_CPPFLAGS += -DLIBZMQ=$(shell pkg-config --modversion libzmq 2>/dev/null)

BINARY      := bin/streamq-proxy
LINT        := .build/golangci-lint

# Time and packages of `make fuzz` and `make microbench`, to be set on the command line.
FUZZTIME    ?= 20s
BENCHTIME   ?= 1s
BENCH       ?= .

# How many times 100,000 connections `make torture` has come.
TORTURE     ?= 1

# More flags of `make bench`, as BENCHFLAGS="-rounds 3 -cases curve"; `go run ./integration/bench -help` lists them.
BENCHFLAGS  ?=

# More flags of `make matrix`, as MATRIXFLAGS="-library mine=/usr/local/lib/libzmq.so.5".
MATRIXFLAGS ?=

# Which suites `make test-suites` runs, as SUITE=pyzmq; those that it does not keep their results.
SUITE       ?=

# Which trials of `make platforms` are run, as PLATFORM=arm64; those that are not keep their results.
PLATFORM    ?=

.DEFAULT_GOAL := help
.PHONY: help setup build run docs test test-peers test-suites test-console matrix matrix-quick platforms promtool test-deploy release sizes static test-packages soak torture torture-upgrade bench-upgrade bench bench-agent bench-quick bench-control bench-console syscalls microbench fuzz lint fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building and testing need and is missing
	@tools/setup.sh

# Git may be missing, or refuse a clone of somebody else: then there is no revision. What GOFLAGS says of it does not count.
build: setup ## build bin/streamq-proxy
	go build -buildvcs=$(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false) -o $(BINARY) ./cmd/streamq-proxy

run: build ## build, then show the proxy at work for ten seconds
	$(BINARY) demo

# Most tests wait more than they compute: four at a time keep two processors busy.
test: setup ## run every test under the race detector
	@go -C tools test ./progress ./document ./matrix ./platforms ./suites >/dev/null || go -C tools test ./progress ./document ./matrix ./platforms ./suites
	go test -race -parallel 4 -timeout 20m -json ./... | go -C tools run ./progress

docs: setup ## write the pages of docs/reference, and the tables of docs, that are made from the program
	go test -count=1 -run '^TestReference$$' ./cmd/streamq-proxy -args -update
	go test -count=1 -run '^Test(Metrics|Alerts)Page$$' ./metrics -args -update
	go test -count=1 -run '^TestCapacityPage$$' ./integration/bench -args -update
	UPDATE_MANUAL=1 go test -count=1 -run '^TestManual' ./control ./stream
	UPDATE_RELOAD=1 go test -count=1 -run '^TestReloadPage$$' ./integration

test-peers: ## run the tests against peers in C, Java, Rust, JavaScript and Python
	@tools/setup.sh peers
	go test -race -timeout 20m -tags peers -run '^TestPeers' -json ./integration | go -C tools run ./progress

test-suites: build ## run test suites of others directly and through the proxy, and write docs/suites.md, in half an hour (SUITE=regexp)
	@tools/setup.sh suites
	go -C tools build -o $(CURDIR)/.build/suites/run ./suites
	unshare $$([ "$$(id -u)" = 0 ] || echo --map-root-user) --net sh -c 'ip link set lo up && exec "$$@"' - .build/suites/run -root $(CURDIR) -only '$(SUITE)'

test-console: setup ## look at the console with Chromium, in a minute or two; pictures go to .build/screenshots and docs/console.png
	@tools/setup.sh browser
	go test -race -count=1 -timeout 10m -tags browser -run '^TestBrowser' ./control/console

matrix: setup ## run the integration tests with every libzmq under the proxy and under its peers, and write docs/matrix.md, in half an hour
	@tools/setup.sh wheels
	go -C tools run ./matrix -root $(CURDIR) $(MATRIXFLAGS)

matrix-quick: setup ## run fewer of them, on the newest libzmq beside the machine's own, in a minute or two
	@tools/setup.sh wheels
	go -C tools run ./matrix -root $(CURDIR) -quick

platforms: setup ## try other systems as far as this machine can, and write docs/platforms.md, in an hour the first time (PLATFORM=regexp)
	@tools/setup.sh platforms
	go -C tools run ./platforms -root $(CURDIR) -only '$(PLATFORM)'

promtool: setup ## have Prometheus' own tool check metrics, alerts and dashboard
	@tools/setup.sh promtool
	STREAMQ_PROMTOOL=$(CURDIR)/.build/promtool go test -count=1 -v -run '^Test(Promtool|AlertOfYourOwn)$$' ./metrics

test-deploy: setup ## hold the Kubernetes and compose files against what reads them
	go -C tools/release test -count=1 ./manifests

release: setup ## make the Debian package, the image, the static program, bills of materials and checksums in dist
	@tools/setup.sh static
	go -C tools/release run . -root $(CURDIR) -dist $(CURDIR)/dist

sizes: release ## measure package, start and memory beside HAProxy and nginx, and write the table of docs/release.md
	@tools/setup.sh bench
	go run ./integration/bench -sizes dist -readme docs/release.md

static: setup ## make dist/streamq-proxy-VERSION-linux-amd64.tar.gz, a program that needs no library, and run its demo in an empty root
	@tools/setup.sh static
	tools/static.sh amd64 tar dist
	tools/static.sh amd64 try dist

test-packages: release ## install, upgrade and purge the package in clean systems, run the image, and release again
	@tools/setup.sh packages
	STREAMQ_DIST=$(CURDIR)/dist STREAMQ_REPRODUCE=1 go -C tools/release test -count=1 -v -timeout 60m .

soak: build ## let 30,000 clients come and go in each way, and print what they leave behind
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_SOAK=30000 go test -count=1 -v -timeout 30m -run '^TestSoak' ./integration

bench-control: build ## compare a pair's round trips beside 100,000 hints and 10,000 heartbeats a second, in 150 s
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_CONTROL_LOAD=16 go test -count=1 -v -run '^TestControlLoad$$' ./integration

bench-console: build ## compare a pair's round trips beside 20 browsers at the console, in two minutes
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_BROWSERS=8 go test -count=1 -v -run '^TestBrowsersBesideLoad$$' ./integration

torture: build ## end 10,000 pairs in every way and have 100,000 connections (times TORTURE=1) come in storms, in a quarter of an hour
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_TORTURE=$(TORTURE) go test -count=1 -v -timeout 60m -run '^TestTorture' ./integration

torture-upgrade: build ## replace the proxy ten times under 5,000 pairs, and have it fail 15 times, in two or three minutes
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_UPGRADES=1 go test -count=1 -v -timeout 20m -run '^TestUpgrade(Fails)?$$' ./integration

bench-upgrade: build ## replace the proxy, HAProxy and nginx under 5,000 pairs, and write the table of docs/operations/upgrade.md, in five minutes
	@tools/setup.sh bench
	mkdir -p docs/bench/upgrade
	STREAMQ_TEST_BINARY=$(CURDIR)/$(BINARY) STREAMQ_UPGRADES=1 STREAMQ_RELOAD_RESULT=$(CURDIR)/docs/bench/upgrade/result.json go test -count=1 -v -timeout 20m -run '^TestReloadBeside$$' ./integration
	UPDATE_RELOAD=1 go test -count=1 -run '^TestReloadPage$$' ./integration

bench: build ## measure the proxy beside HAProxy, nginx and a broker, in about 15 minutes (BENCHFLAGS="-rounds 3")
	@tools/setup.sh bench
	go run ./integration/bench -proxy $(BINARY) -json docs/bench/result.json -svg docs/bench $(BENCHFLAGS)

bench-agent: build ## measure the agent beside other ways to a worker and HAProxy twice, in about 10 minutes (BENCHFLAGS="-rounds 3")
	@tools/setup.sh bench
	go run ./integration/bench -agent -proxy $(BINARY) -json docs/bench/agent/result.json -svg docs/bench/agent $(BENCHFLAGS)

bench-quick: build ## see in two minutes or three that the benchmark still runs
	@tools/setup.sh bench
	go run ./integration/bench -proxy $(BINARY) -quick
	go run ./integration/bench -agent -proxy $(BINARY) -quick

syscalls: build ## count the system calls that a connection costs, by strace, in a minute or two
	@tools/syscalls.sh $(BINARY)

microbench: setup ## run the benchmarks of single functions (BENCH=regexp BENCHTIME=1s)
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# One fuzz target at a time is all that `go test` takes.
fuzz: setup ## run every fuzz target for a while (FUZZTIME=20s)
	@grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z0-9_]*' . | while IFS=: read -r file _ func; do \
		echo "fuzz: $${func#func } in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$${func#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname "$$file")"; \
	done

lint: setup $(LINT) ## run golangci-lint over everything
	$(LINT) run --build-tags peers,man,browser ./...
	cd tools && ../$(LINT) run --config ../.golangci.yml ./progress ./document ./matrix ./platforms ./suites
	cd tools/release && ../../$(LINT) run --config ../../.golangci.yml ./...

fmt: $(LINT) ## format every Go file
	$(LINT) fmt

clean: ## remove what was built
	rm -rf bin dist .build

$(LINT): tools/go.mod tools/go.sum
	go -C tools build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $(LINT)

# The manual of this project. Every target sets up what it needs on a Debian machine that has Swift.
SHELL := /bin/bash
SWIFT ?= swift
DATA ?= data

.PHONY: help run test unit interop bench bench-pull crash faults man build release format lint fuzz setup setup-test setup-bench clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## install the system libraries the build needs
	@scripts/setup build

setup-test: setup ## install the mail clients that the tests run
	@scripts/setup test

setup-bench: setup-test ## install the peers that the benchmarks run
	@scripts/setup bench

run: setup ## build, start the server with a demo account that holds mail, print how to connect
	@scripts/run "$(DATA)"

build: setup ## debug build
	$(SWIFT) build

release: setup ## release build, with the Swift libraries linked in: it starts twice as fast
	$(SWIFT) build -c release --product merpati

test: lint unit interop ## everything that must hold before a commit

unit: setup
	$(SWIFT) build --build-tests
	# One after another: tests with deadlines on the wire must not starve behind those that burn both cores.
	$(SWIFT) test --skip-build --no-parallel

interop: setup-test ## real clients against a real server process
	$(SWIFT) build --product merpati
	python3 Interop/run.py

bench: setup-bench release ## the same work against Merpati and Dovecot, ratios printed
	python3 Benchmarks/run.py

bench-pull: setup-bench release ## bring one mailbox home by Merpati, mpop, mbsync, fetchmail, getmail and OfflineIMAP
	python3 Benchmarks/pull.py

crash: setup-test ## power cuts all over a mixed load, each sync left out in turn, a hundred kill -9: under an hour
	$(SWIFT) build --product merpati
	python3 Crash/crash.py
	KILLS=100 python3 Interop/run.py kill

faults: setup-test ## cut lines, kill -9 and full disks at 200 random points of a pull and of a two-way sync
	$(SWIFT) build --product merpati
	FAULTS=200 python3 Interop/run.py pull_faults

man: ## manual pages, from the program's own definitions, in .build/man
	$(SWIFT) build --product merpati
	scripts/manpages .build/debug/merpati .build/man

format: ## rewrite the sources in the project's style
	$(SWIFT) format format -i --configuration .swift-format -r Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources Fuzz/Support

lint: ## fail on anything the formatter or the house rules would change
	$(SWIFT) format lint --strict --configuration .swift-format -r Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources Fuzz/Support
	@scripts/house-rules

fuzz: setup ## libFuzzer over the parsers, FUZZ_SECONDS each (default 60)
	@scripts/fuzz

clean:
	rm -rf .build $(DATA)

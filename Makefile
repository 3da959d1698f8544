# The manual of this project. Every target sets up what it needs on a Debian machine that has Swift.
SHELL := /bin/bash
SWIFT ?= swift
DATA ?= data

.PHONY: help run test unit interop clients search-proof bench bench-quick bench-long bench-growth bench-crowd bench-micro bench-profile bench-pull crash faults simulate models hostile security man build release format lint fuzz setup setup-test setup-bench setup-clients clean

help: ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## install the system libraries the build needs
	@scripts/setup build

setup-test: setup ## install the mail clients that the tests run
	@scripts/setup test

setup-bench: setup-test ## install the peers that the benchmarks run
	@scripts/setup bench

setup-clients: setup-test ## install Thunderbird and a screen for it
	@scripts/setup clients

run: setup ## build, start the server with a demo account that holds mail, print how to connect
	@scripts/run "$(DATA)"

build: setup ## debug build
	$(SWIFT) build

release: setup ## release build, with the Swift libraries linked in
	@SWIFT="$(SWIFT)" scripts/release

test: lint unit interop ## everything that must hold before a commit

unit: setup
	$(SWIFT) build --build-tests
	# One after another: tests with deadlines on the wire must not starve behind those that burn both cores.
	$(SWIFT) test --skip-build --no-parallel

interop: setup-test ## real clients against a real server process
	$(SWIFT) build --product merpati
	python3 Interop/run.py

clients: setup-clients ## Thunderbird on a screen nobody sees: pictures and a recording of what it said, in THUNDERBIRD_FOLDER
	$(SWIFT) build --product merpati
	python3 Interop/campaign_thunderbird.py

search-proof: setup-test release ## SEARCH BODY and TEXT against brute force: 200 substrings, 20,000 messages; SEARCH_SEED=n: others
	MERPATI_TEST_BINARY=.build/release/merpati python3 Interop/campaign_search.py

bench: setup-bench release ## the same work against Merpati and Dovecot, ratios printed; BENCH_ONLY=search,copy: these rows
	python3 Benchmarks/run.py

bench-quick: setup-bench release ## the same, small, in three minutes; BENCH_AGAINST=BINARY: an older merpati instead of Dovecot
	BENCH_QUICK=1 python3 Benchmarks/run.py

bench-long: setup-bench release ## the table and the mailbox of a million messages
	BENCH_LONG=1 python3 Benchmarks/run.py

bench-growth: setup-bench release ## how what users wait for grows with messages and accounts; GROWTH_MESSAGES=1000,20000,200000
	python3 Benchmarks/growth.py

bench-crowd: setup-bench release ## 10,000 idle and 1,000 busy connections at once, BENCH_MINUTES=10; STORE on a million messages
	python3 Benchmarks/crowd.py
	BENCH_ONLY=million python3 Benchmarks/run.py

bench-profile: setup-bench release ## where the server's time goes in the rows that fall short of their targets: docs/profiles.md
	@scripts/setup profile
	python3 Benchmarks/profile.py

bench-micro: setup ## time and mallocs of parsing, encoding and store calls; fails where a budget of mallocs is exceeded
	MERPATI_MICRO=1 SWIFT="$(SWIFT)" scripts/release microbench
	.build/release/microbench Benchmarks/Micro/budgets.txt

bench-pull: setup-bench release ## bring one mailbox home by Merpati, mpop, mbsync, fetchmail, getmail and OfflineIMAP
	python3 Benchmarks/pull.py

crash: setup-test release ## power cuts all over a mixed load, each sync left out in turn, a hundred kill -9: under an hour
	MERPATI_TEST_BINARY=$(CURDIR)/.build/release/merpati python3 Crash/crash.py
	MERPATI_TEST_BINARY=$(CURDIR)/.build/release/merpati KILLS=100 python3 Interop/run.py kill

faults: setup-test ## faults under pulls, syncs and the server: cut lines, kill -9, full and failing disks, jumping dates
	$(SWIFT) build --product merpati
	FAULTS=200 python3 Interop/run.py faults

simulate: setup ## a million steps of random sessions, SQLite against the model: docs/simulation.md says how to read it
	@scripts/simulate

models: setup ## clients that believe what they are told (NOTIFY, CONTEXT, QRESYNC, UIDONLY), 10,000 operations each; MODEL_SEED=n: the same again
	MERPATI_TESTS=ServerTests $(SWIFT) build --build-tests
	MERPATI_TESTS=ServerTests MODEL_OPERATIONS=$${MODEL_OPERATIONS:-10000} $(SWIFT) test --skip-build --no-parallel --filter 'NotifyModel|ContextModel|SyncRandom'

hostile: setup release ## hostile sessions, bombs, floods and 10,000 half-open connections against one server; HOSTILE_SCALE=0.1: a tenth
	MERPATI_TEST_BINARY=$${MERPATI_TEST_BINARY:-.build/release/merpati} python3 Interop/campaign_hostile.py

security: setup-test ## who may: accounts apart, modes, privileges, logs, TLS, timing of refusals (as root: all of it)
	$(SWIFT) build --product merpati
	python3 Interop/run.py security accounts_apart tls_and_logins
	python3 Interop/campaign_timing.py

man: ## manual pages, from the program's own definitions, in .build/man
	$(SWIFT) build --product merpati
	scripts/manpages .build/debug/merpati .build/man

format: ## rewrite the sources in the project's style
	$(SWIFT) format format -i --configuration .swift-format -r Package.swift Sources Tests Benchmarks/Micro Fuzz/Package.swift Fuzz/Sources Fuzz/Support

lint: ## fail on anything the formatter or the house rules would change
	$(SWIFT) format lint --strict --configuration .swift-format -r Package.swift Sources Tests Benchmarks/Micro Fuzz/Package.swift Fuzz/Sources Fuzz/Support
	@scripts/house-rules

fuzz: setup ## libFuzzer over the parsers, FUZZ_SECONDS each (default 60)
	@scripts/fuzz

clean:
	rm -rf .build $(DATA)

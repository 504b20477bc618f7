# Every target does its own set-up: nothing has to be run before it. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build release man demo test test-histories bench bench-copy bench-end-to-end bench-relay bench-apply bench-backlog lint protos docs-check clean

PYTHON := .work/venv/bin/python
RELEASE := swift build -c release --static-swift-stdlib --product cdc-bridge
# Scripts in dev/ find the Python environment's programs first.
export PATH := $(CURDIR)/.work/venv/bin:$(PATH)

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## install what is missing: Debian packages, the Python environment .work/venv
	@dev/setup python

build:  ## build the program: .build/release/cdc-bridge
	@dev/setup build
	$(RELEASE)
	@ls -l .build/release/cdc-bridge

release: build

man:  ## write all manual pages: man -M .build/man cdc-bridge
	$(RELEASE) --quiet
	@mkdir -p .build/man/man1
	@.build/release/cdc-bridge man --output .build/man/man1
	@ls .build/man/man1

demo:  ## two real Milvus servers, the bridge between them, 61,000 rows: watch it work
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) dev/demo.py

test:  ## everything CI runs: unit, sanitizers, interop, live tests on real servers, documentation
	@dev/setup test
	@$(PYTHON) dev/test.py

test-histories:  ## random histories between sandboxes and real servers, with kills and cuts: SEED=, COUNT= (0: until stopped)
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Tests/histories/play.py $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT))

bench:  ## all benchmarks
	@dev/setup bench
	$(RELEASE) --quiet
	@for benchmark in Benchmarks/bench_*.py; do dev/in-netns $(PYTHON) $$benchmark || exit 1; done

bench-copy:  ## copy 200,000 x 128 from Milvus 2.3.5 to Lite, beside a pymilvus script
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Benchmarks/bench_copy.py

bench-end-to-end:  ## 200,000 x 128 from a log into Milvus 2.3.5: rows/s, CPU, memory, lag, ten kills -9
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Benchmarks/bench_end_to_end.py

bench-apply:  ## 200,000 x 128 from a log into Milvus 2.3.5, beside pymilvus with each batch size
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Benchmarks/bench_apply.py

bench-backlog:  ## memory with 2 GiB of backlog and a stopped target
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Benchmarks/bench_backlog.py

bench-relay:  ## forward a log natively: CPU, delay, memory beside C++ gRPC, grpc-go and a raw proxy
	@dev/setup bench
	$(RELEASE) --quiet
	@dev/in-netns $(PYTHON) Benchmarks/bench_relay.py

lint:  ## formatting and house rules
	@dev/setup build
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
	swift test --filter TidyTests

protos:  ## write protos/ and Sources/CProtobuf/generated again from the pinned descriptors
	@dev/setup protos
	dev/generate-protos

docs-check:  ## run every command of docs/API.md and docs/DEBUGGING.md against real servers and compare
	@dev/setup python
	$(RELEASE) --quiet
	@dev/in-netns dev/check-docs

clean:  ## remove everything that was built, downloaded or measured
	rm -rf .build .build-asan .build-tsan .work

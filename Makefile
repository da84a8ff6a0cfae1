# The front door. `make run` and `make check` do everything on a fresh Debian 12; the rest is for those who work on Parley.
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: help run call check check-compose bench build web fmt lint asan tsan fuzz clean deps openapi

help:
	@echo "make run            install what is missing, build, start everything, load the demo company, print where to go"
	@echo "make call           a customer calls the running demo and speaks"
	@echo "make check          build and run every test; ends with: N passed, N failed"
	@echo "make check-compose  the same fleet in containers, proved by a call (needs a Docker engine)"
	@echo "make bench          benchmarks; table in docs/benchmarks.md, figures in build/bench.json"
	@echo "make fmt, lint      clang-format; clang-format check, buf lint and breaking, eslint, tsc"
	@echo "make asan, tsan     unit tests under sanitizers        make fuzz   each fuzz target for FUZZ_S seconds"

deps:
	@deploy/install-packages build run

build: deps
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) --buildtype=release -Db_ndebug=false >$(BUILD).setup.log 2>&1 || { cat $(BUILD).setup.log; exit 1; }
	@rm -f $(BUILD).setup.log
	@ninja -C $(BUILD) -j $(JOBS)

web: deps
	@deploy/build-web

run: build web
	@exec python3 deploy/local/fleet.py run --build $(BUILD)

call:
	@deploy/install-packages run
	@exec python3 deploy/demo/call.py

check:
	@deploy/install-packages build run test
	@exec tests/check $(BUILD)

check-compose:
	@exec tests/compose/check

bench: build
	@deploy/install-packages bench
	@exec bench/run $(BUILD)

fmt:
	@deploy/install-packages lint
	@git ls-files -- '*.c' '*.h' | xargs clang-format -i

lint: web
	@deploy/install-packages lint
	@exec tests/lint

asan:
	@deploy/install-packages build run test
	@exec tests/sanitize address,undefined $(BUILD)-asan

tsan:
	@deploy/install-packages build run test
	@exec tests/sanitize thread $(BUILD)-tsan

fuzz:
	@deploy/install-packages build fuzz
	@exec tests/fuzz $(BUILD)-fuzz

openapi:
	@tests/prepare && deploy/with-node node tests/openapi.ts

clean:
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz web/desk/dist

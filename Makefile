# Every target sets up what it needs and says what it installs; a second run finds everything in place.
.DEFAULT_GOAL := help
.PHONY: help demo test test-all bench-gateway bench-classifier bench-restore bench-gpu bench-wake bench-trace eval-routing train-weights build format lint clean
SWIFT_SOURCES := Package.swift Sources Tests $(wildcard Benchmarks)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 26

demo: ## real prompts through the gateway to real models: who answered, why, what it cost
	@Scripts/setup.sh demo
	@Scripts/demo.sh

test: ## lint, build, unit tests, 10 s of each fuzzer, end-to-end tests with llama.cpp
	@Scripts/test.sh

test-all: ## the same over OpenStack Swift and beside transformers too, the page in Chromium, 200 killed writers, ThreadSanitizer, 120 s of each fuzzer, the CUDA interface against NVIDIA's headers
	@Scripts/test.sh all

bench-gateway: ## cost of a request through the gateway, beside nginx and LiteLLM (QUICK=1: a short run)
	@Scripts/setup.sh bench
	@Scripts/bench_gateway.sh $(if $(QUICK),--quick)

bench-classifier: ## time to classify a prompt, beside LiteLLM's heuristic
	@Scripts/setup.sh bench
	@Scripts/bench_classifier.sh

bench-restore: ## time to restore a 2 GiB snapshot onto the host, beside pread, dd and other loaders (QUICK=1: a short run)
	@Scripts/setup.sh restore
	@Scripts/bench_restore.sh $(if $(QUICK),--quick)

bench-gpu: ## restores, clones, deltas and contexts on an NVIDIA GPU beside what its bus and memory can do; without one says why
	@Scripts/setup.sh build
	@Scripts/bench_gpu.sh $(if $(QUICK),--quick)

bench-coldstart: ## time from exec to ready and to a first token of the model server, beside llama.cpp and transformers serve (QUICK=1: a short run)
	@Scripts/setup.sh coldstart
	@Scripts/bench_coldstart.sh $(if $(QUICK),--quick)

bench-wake: ## what a request pays that finds its deployment at zero, beside the engine's own start (QUICK=1: a short run)
	@Scripts/setup.sh wake
	@Scripts/bench_wake.sh $(if $(QUICK),--quick)

bench-trace: ## a recorded hour of requests for ten deployments where two find room, beside keep-alive and time-outs (QUICK=1: a short run)
	@Scripts/setup.sh test
	@Scripts/bench_trace.sh $(if $(QUICK),--quick)

eval-routing: ## how good the decisions are on measured outcomes (DATA=FOLDER; litellm beside it after Scripts/setup.sh bench)
	@Scripts/setup.sh build
	@Scripts/eval_routing.sh $(DATA)

train-weights: ## train the classifier's shipped weights from outcomes (DATA=FOLDER), and measure them on its dev part
	@Scripts/setup.sh build
	swift run -c release train-weights $(DATA) Sources/Support/CWeights/shipped.weights

build: ## debug build of everything
	@Scripts/setup.sh build
	swift build --build-tests

format: ## format all Swift sources in place
	swift format format --in-place --parallel --recursive $(SWIFT_SOURCES)

lint: ## what the formatter would change is an error
	swift format lint --strict --parallel --recursive $(SWIFT_SOURCES)

clean: ## remove build products (Python environments and weights stay; they are in .venv* and .cache)
	rm -rf .build .build-*

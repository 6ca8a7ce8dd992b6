# aimsd: `make help` lists the targets.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/uni-aims/aimsd/agent.Version=$(VERSION)

# Packages (an extended regular expression over import paths) that `make test` runs without the race
# detector: they spend their time in the network; the pixel loops they share out run with it in cuda.
NORACE   ?= /infer
# Longest a single test binary may take.
TIMEOUT  ?= 12m

FUZZTIME ?= 10s
# Minutes that each test of `make soak` and each fuzz target runs; SOAK_SEED=n repeats a run.
SOAK_MINUTES ?= 1
BENCH    ?= .
MINGW    ?= x86_64-w64-mingw32-gcc
COUNT    ?= 1

# golangci-lint is built from its pinned module once and then taken from Go's build cache.
GOLANGCI ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
PROTOC_GEN_GO      := google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
PROTOC_GEN_GO_GRPC := google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

export GOLANGCI_LINT_CACHE ?= $(CURDIR)/.cache/golangci-lint
# Tests find ONNX Runtime here; the binary finds it in lib/ beside itself.
ort := $(CURDIR)/bin/lib/libonnxruntime.so

.PHONY: help build lib lib-cuda demo windows wine cuda cudatest gpu ptx test lint fuzz soak milling bench benchstat proto train openfibsem clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: lib ## bin/aimsd, with ONNX Runtime in bin/lib
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/aimsd .

lib: ## only fetch ONNX Runtime (pinned, checksummed)
	@scripts/fetch-ort.sh bin/lib

lib-cuda: ## ONNX Runtime with its CUDA provider in bin/lib-cuda, 390 MB, for machines with an NVIDIA GPU
	@scripts/fetch-ort.sh bin/lib-cuda cuda

windows: ## bin/windows/aimsd.exe with its library; needs Debian's gcc-mingw-w64-x86-64
	CGO_ENABLED=1 GOOS=windows GOARCH=amd64 CC=$(MINGW) $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/windows/aimsd.exe .
	@scripts/fetch-ort.sh bin/windows/lib windows

wine: build windows ## the Windows program under Wine: check, analyze, service; needs Debian's wine64 and wine
	scripts/windows_test.sh bin/windows/aimsd.exe bin/aimsd

# Build tag cuda needs cuda.h to compile, and nothing of CUDA to link or to start.
cuda_flags = CGO_CFLAGS="-O2 -g -I$$(scripts/fetch-cuda-headers.sh)"

cuda: lib ## bin/aimsd-cuda: the program with GPU kernels, for machines with a GPU or without (linux/amd64)
	@scripts/fetch-cuda-headers.sh >/dev/null
	$(cuda_flags) $(GO) build -tags cuda -trimpath -ldflags '$(LDFLAGS)' -o bin/aimsd-cuda .
	@! readelf -d bin/aimsd-cuda | grep libcuda || { echo "bin/aimsd-cuda must not need libcuda to start" >&2; exit 1; }

cudatest: ## the device path without a GPU: without a driver, and with an emulated one
	@scripts/fetch-cuda-headers.sh >/dev/null
	$(cuda_flags) $(GO) vet -tags cuda ./cuda/...
	$(cuda_flags) $(GO) test -tags cuda -count 1 -run 'Device|Choose' ./cuda/...
	@mkdir -p .cache/libcuda
	$(CXX) -O2 -Wall -Wextra -shared -fPIC -o .cache/libcuda/libcuda.so.1 cuda/driver/testdata/libcuda.cpp
	$(cuda_flags) LD_LIBRARY_PATH=$(CURDIR)/.cache/libcuda $(GO) test -tags cuda -v -count 1 -run 'Device|Choose' ./cuda/...

gpu: ## this machine's GPU: conformance of the kernels, and frames of 1024 and 8192 px timed
	@scripts/fetch-cuda-headers.sh >/dev/null
	$(cuda_flags) $(GO) test -tags cuda -v -count 1 -run 'Device|Choose' -bench Device -benchtime 10x ./cuda/

ptx: ## regenerate cuda/kernels/ptx (needs clang 19.1.7, Debian's clang-19)
	scripts/ptx.sh

demo: build ## a simulated microscope, the daemon and a broker, end to end
	bin/aimsd demo

test: export AIMSD_ORT_LIB := $(or $(AIMSD_ORT_LIB),$(ort))
test: lib ## go vet, then every test with the race detector
	$(GO) vet ./...
	@plain=$$($(GO) list ./... | grep -E '$(NORACE)' || true); \
	raced=$$($(GO) list ./... | grep -vE '$(NORACE)' || true); \
	status=0; \
	if [ -n "$$plain" ]; then $(GO) test -timeout $(TIMEOUT) $$plain || status=1; fi; \
	if [ -n "$$raced" ]; then $(GO) test -race -timeout $(TIMEOUT) $$raced || status=1; fi; \
	exit $$status

lint: ## gofmt, golangci-lint, and proof that the import rule fires
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || \
		{ echo "not gofmt'd (run gofmt -w): $$unformatted" >&2; exit 1; }
	$(GOLANGCI) run ./...
	GOLANGCI='$(GOLANGCI)' scripts/depguard_test.sh

fuzz: export AIMSD_ORT_LIB := $(or $(AIMSD_ORT_LIB),$(ort))
fuzz: lib ## FUZZTIME (10s) of every fuzz target
	GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

soak: export AIMSD_ORT_LIB := $(or $(AIMSD_ORT_LIB),$(ort))
soak: export SOAK_MINUTES := $(SOAK_MINUTES)
soak: lib ## overload, kills, dead brokers, full disks: SOAK_MINUTES (1) of each, then of every fuzz target
	@status=0; \
	$(GO) test -count 1 -timeout 0 -p 1 -v -run Soak $$(grep -rlE --include='*_test.go' '^func Test[A-Za-z0-9]*Soak' . | xargs -n 1 dirname | sort -u) || status=1; \
	GO='$(GO)' scripts/fuzz.sh $(SOAK_MINUTES)m || status=1; \
	exit $$status

milling: ## end-points, false stops, front and drift over simulated milling runs: RUNS=200 SEED=1
	MILLING_RUNS=$(or $(RUNS),200) MILLING_SEED=$(or $(SEED),1) $(GO) test -count 1 -timeout 0 -v -run MillingRunsEnd ./agent

bench: export AIMSD_ORT_LIB := $(or $(AIMSD_ORT_LIB),$(ort))
bench: lib ## Go benchmarks: BENCH=regexp COUNT=n (feed two runs to benchstat)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

benchstat: export AIMSD_ORT_LIB := $(or $(AIMSD_ORT_LIB),$(ort))
benchstat: lib ## the hot loops at BASE (a commit) and here, compared: make benchstat BASE=HEAD~3
	@BENCH='$(filter-out .,$(BENCH))' COUNT='$(filter-out 1,$(COUNT))' GO='$(GO)' scripts/benchstat.sh $(BASE)

proto: ## regenerate proto/ (needs protoc 3.21.12, Debian's protobuf-compiler)
	GOBIN=$(CURDIR)/.cache/bin $(GO) install $(PROTOC_GEN_GO)
	GOBIN=$(CURDIR)/.cache/bin $(GO) install $(PROTOC_GEN_GO_GRPC)
	PATH=$(CURDIR)/.cache/bin:$$PATH protoc --go_out=. --go_opt=paths=source_relative \
		--go-grpc_out=. --go-grpc_opt=paths=source_relative proto/aims/v1/*.proto

openfibsem: build ## aimsd with OpenFIBSEM as its client (docs/openfibsem.md); installs it into .cache, 610 MB
	scripts/openfibsem_test.sh

train: build ## retrain network and scorer: DATA=folder STEPS=12000; hours on two cores (infer/training/README.md)
	$(MAKE) -C infer/training

clean: ## remove what was built and cached here
	rm -rf bin .cache

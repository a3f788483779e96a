# The two commands of Dure: `make train` and `make test`. `make help` lists all.

# The build folder.
BUILD ?= build/release
# More options for CMake, such as CMAKE_ARGS=-DDURE_WERROR=ON.
CMAKE_ARGS ?=
# SETUP=no installs no packages and uses the libraries that are there.
SETUP ?= yes
JOBS ?= $(shell nproc)
DURE := $(BUILD)/bin/dure

# The folder of make train, and more options for dure train, such as
# TRAIN_ARGS='--set train.steps=1000'.
OUT ?= out/train
TRAIN_ARGS ?=
RUN := $(OUT)/run
# The ranks of make train: threads on a mesh of 2 x 2 x 2, or 4 stages of 2 x 2,
# if the machine has a core for each; otherwise one rank with all cores.
CORES := $(shell nproc)
MESH ?= $(shell if [ $(CORES) -ge 16 ]; then \
    echo --ranks 16 --set parallel.pipeline=4 --set parallel.tensor=2; \
  elif [ $(CORES) -ge 8 ]; then \
    echo --ranks 8 --set parallel.pipeline=2 --set parallel.tensor=2; fi)
ifneq ($(OUT),out/train)
PATHS = --set 'data.train=["$(OUT)/text"]' \
  --set 'data.tokenizer="$(OUT)/tokenizer.json"' --set 'log.directory="$(RUN)"'
endif

.PHONY: help
help: ## Lists these targets
	@sed -n 's/^\([a-z_-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | \
	  expand -t 14

.PHONY: setup
setup: ## Installs the Debian packages that are missing
ifeq ($(SETUP),yes)
	@tools/setup build test data
endif

.PHONY: configure
configure: setup
	@mkdir -p $(BUILD)
	@cmake --preset release -B $(BUILD) $(CMAKE_ARGS) >$(BUILD)/configure.log 2>&1 \
	  || { cat $(BUILD)/configure.log; exit 1; }
	@sed -n '/^-- Dure /,/^-- *$$/s/^-- //p' $(BUILD)/configure.log

.PHONY: build
build: configure ## Builds the library and the binary, build/release/bin/dure
	@cmake --build $(BUILD) --parallel $(JOBS) --target dure

# Each stage of make train is a file that is made once, even if the binary is newer.
# Training goes on from its last checkpoint and does nothing after its last step.
$(OUT)/text.jsonl: | build
	@tools/prepare_text $@

$(OUT)/tokenizer.json: $(OUT)/text.jsonl | build
	@$(DURE) tokenizer train --input $< --vocabulary 4096 --output $@

$(OUT)/text.idx: $(OUT)/text.jsonl $(OUT)/tokenizer.json | build
	@$(DURE) preprocess --input $< --tokenizer $(OUT)/tokenizer.json \
	  --output $(OUT)/text

.PHONY: train
train: build $(OUT)/text.idx ## From a bare machine to a small trained GPT
	@$(DURE) train examples/first_run.toml --resume $(PATHS) \
	  $(MESH) $(TRAIN_ARGS)
	@echo "== the held-out chapters"
	@$(DURE) eval --checkpoint $(RUN)/checkpoints --data $(OUT)/text \
	  --split 95,5,0 --part validation
	@echo "== a sample"
	@$(DURE) generate --checkpoint $(RUN)/checkpoints --tokens 120 \
	  --tokenizer $(OUT)/tokenizer.json --temperature 0.8 --top-p 0.9 --seed 7 \
	  --prompt "And it came to pass"
	@echo
	@echo "== what next"
	@echo "more steps:      make train TRAIN_ARGS='--set train.steps=1200'"
	@echo "another sample:  $(DURE) generate --checkpoint $(RUN)/checkpoints --prompt 'In the beginning'"
	@echo "every setting:   $(DURE) train examples/first_run.toml --print-config"
	@echo "the loss, a line a step: $(RUN)/metrics.jsonl"

.PHONY: test
test: configure ## Builds everything and runs every test
	@cmake --build $(BUILD) --parallel $(JOBS)
	@tools/run_tests $(BUILD) --label-exclude smoke

.PHONY: parity
parity: configure ## Trains every layout of up to 8 ranks against one in 3 types, for hours
	@cmake --build $(BUILD) --parallel $(JOBS) --target mesh_parity
	@status=0; for compute in fp32 bf16 fp16; do \
	  $(BUILD)/tests/mesh_parity 8 precision.compute=$$compute || status=1; \
	done; exit $$status

# How many seeds make emulate takes.
SEEDS ?= 200

.PHONY: emulate
emulate: setup ## Tests the CUDA code on the emulated device at SEEDS=200 seeds, for hours
	@cmake --preset cuda-emulated
	@cmake --build build/cuda-emulated --parallel $(JOBS) --target \
	  cuda_emulator_test kernels_test cuda_training_test cuda_failures_test
	@DURE_TEST_EVERY_CALL=1 tools/emulate --seeds 1 cuda_failures
	@tools/emulate --seeds $(SEEDS)

.PHONY: mutants
mutants: setup ## Shows that the emulated tests find deliberate faults, for an hour
	@tools/mutants

.PHONY: format
format: ## Formats every C++ and CUDA file of ours
	@tools/format

.PHONY: lint
lint: ## Format, layers, comments and clang-tidy, without a build
	@tools/format --check
	@python3 tools/check_layers.py
	@python3 tools/check_comments.py
	@python3 tools/tidy.py

.PHONY: ci
ci: ## All that is asked of a change before it lands
	@.ci/run

.PHONY: clean
clean: ## Removes build/ (trained models stay in out/)
	rm -rf build

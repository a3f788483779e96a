# The two commands of Dure: `make train` and `make test`. `make help` lists all.

# The build that train, test and everything by hand use.
BUILD ?= build/release
# More for CMake, such as CMAKE_ARGS=-DDURE_WERROR=ON.
CMAKE_ARGS ?=
# SETUP=no: install no packages, take the libraries that are there.
SETUP ?= yes
JOBS ?= $(shell nproc)
DURE := $(BUILD)/bin/dure

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

.PHONY: test
test: configure ## Builds everything and runs every test
	@cmake --build $(BUILD) --parallel $(JOBS)
	@tools/run_tests $(BUILD) --label-exclude smoke

.PHONY: format
format: ## Formats every C++ and CUDA file of ours
	@tools/format

.PHONY: lint
lint: ## Format, layers and clang-tidy, without a build
	@tools/format --check
	@python3 tools/check_layers.py
	@python3 tools/tidy.py

.PHONY: ci
ci: ## All that is asked of a change before it lands
	@.ci/run

.PHONY: clean
clean: ## Removes build/ (trained models stay in out/)
	rm -rf build

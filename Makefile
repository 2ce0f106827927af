# Requirements: make, and either uv or any Python with pip. `make setup` creates the environment.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
THREADS ?= 1
PACKAGES := compression tests experiments train.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format types imports check constraints results clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY) ## create the environment in .venv, with the tested versions

$(READY): pyproject.toml constraints.txt .ci/make_environment
	@.ci/make_environment

demo: setup ## train, prune to 90 % and measure on the embedded digits
	$(BIN)/python train.py strategy=iterative_l1 sparsity=0.9

test: setup ## run the tests
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -m "not slow" -n 2 --dist worksteal

test-slow: setup ## run all tests, including the slow ones
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup ## lint, and check the formatting
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)

format: setup ## format, and apply automatic lint fixes
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

types: setup ## check types
	$(BIN)/mypy

imports: setup ## check the direction of imports
	$(BIN)/lint-imports

check: lint types imports test ## run lint, types, imports and test

results: setup ## write the tables and the picture of README.md and docs/results.md from the records
	$(BIN)/python experiments/make_results.py
	$(BIN)/python experiments/draw_front.py
	$(BIN)/python experiments/draw_methods.py

constraints: setup ## pin the newest compatible versions in constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --all-extras --universal --no-header --no-annotate -o constraints.txt

clean: ## remove the environment and caches, and keep outputs
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

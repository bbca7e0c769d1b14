# `make` builds the catalogue, `make test` tests it with every framework. Both run in .venv, which
# they make and fill when pyproject.toml or constraints.txt have changed.

PYTHON ?= python3
# Where torch comes from when it is not the package index; on Linux that one has CUDA builds only.
# make test TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A module's name in generated/ is <package>.<schedule>, as for someone who imports it from there.
MYPY_GENERATED := MYPYPATH=generated $(BIN)/mypy --explicit-package-bases

# Those two are what the others share.
EXAMPLES := $(filter-out examples/command.py examples/moons.py,$(wildcard examples/*.py))

.PHONY: all test test-slow test-peers test-processes test-trainers examples bench docs \
	conformance lint check clean

all: .venv/lrgen
	$(BIN)/lrgen build

.venv/lrgen: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lrgen needs Python 3.11")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

# torch first and alone, so that TORCH_INDEX is asked for nothing else.
.venv/frameworks: .venv/lrgen
	$(INSTALL) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	$(INSTALL) --editable '.[test]'
	touch $@

test: .venv/frameworks
	$(BIN)/python -m pytest -n 2

test-slow: .venv/frameworks
	$(BIN)/python -m pytest -n 2 -m slow

test-processes: .venv/frameworks
	$(BIN)/python -m pytest -m processes tests/processes

.venv/trainers: .venv/frameworks
	$(INSTALL) --editable '.[trainers]'
	touch $@

test-trainers: .venv/trainers
	$(BIN)/python -m pytest -m trainers tests/trainers

# Beside .venv, so that no other command has them. Without dependencies, so that none brings a torch;
# DeepSpeed compiles its parts only when told to.
.peers/filled: tests/dialects/peers.txt .venv/frameworks
	rm -rf .peers
	DS_BUILD_OPS=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-compile --target .peers --requirement $<
	touch $@

# make test-peers TESTS="-m slow -k timm"
TESTS ?=

test-peers: .peers/filled
	PYTHONPATH=.peers $(BIN)/python -m pytest -n 2 -rs tests/dialects $(TESTS)

examples: .venv/frameworks
	@set -e; for example in $(EXAMPLES); do \
		echo "$$example"; \
		PYTHONPATH=generated $(BIN)/python "$$example"; \
	done

bench: .venv/frameworks
	$(BIN)/python benchmarks/run.py --json benchmarks/results.json

# The page on dialects, of the calls in docs/families/.
docs: .venv/lrgen
	$(BIN)/python docs/dialect_page.py

# On a machine with a GPU: python -m on_device; docs/devices.md says what it needs there.
conformance: .venv/frameworks
	$(BIN)/python -m on_device --device $(if $(shell command -v nvidia-smi),cuda,cpu)

lint: .venv/frameworks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check lrgen tests benchmarks examples docs on_device
	$(BIN)/mypy --strict lrgen
	$(MYPY_GENERATED) generated

check: .venv/lrgen
	$(BIN)/lrgen check

clean:
	rm -rf .venv .peers dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

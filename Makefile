# Everything runs in .venv, which is made at need. A fresh machine needs Python (3.11 or newer),
# make, and a way to the package index.

VENV := .venv
BIN := $(VENV)/bin
OLDEST := 3.11

# The first of these that is new enough; `make PYTHON=/path/to/python` chooses another.
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST)".split("."))))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python; do \
	$$name -c '$(IS_NEW_ENOUGH)' 2>/dev/null && command -v $$name && break; done)

.PHONY: demo test torch lint docs bench clean

demo: $(VENV)/dev.stamp
	$(BIN)/python examples/digits.py

test: $(VENV)/dev.stamp
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2  # two processes, one thread each

# What tests/against_torch compares with; without it they are skipped. On Linux the package index
# has PyTorch with CUDA, some GB; the small CPU build comes by
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make torch
torch: $(VENV)/dev.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,torch]'

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/docs.stamp
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/dev.stamp
	$(BIN)/python tests/benchmarks --out out/benchmarks.json

clean:
	rm -rf $(VENV) site out build dist docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/dev.stamp: pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python $(OLDEST) or newer was found;" \
		"install one, or say where it is: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c '$(IS_NEW_ENOUGH)' || { echo "error: $(PYTHON) cannot be used:" \
		"Python $(OLDEST) or newer is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) cannot make a" \
		"virtual environment: its modules venv and ensurepip are missing." \
		"On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/docs.stamp: $(VENV)/dev.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

# Everything is installed into .venv from pinned versions; nothing else on the machine is touched.
PYTHON ?= python3
# The index to take torch from, as shown on pytorch.org under "Start Locally"; empty: the default one.
TORCH_INDEX ?=
BENCH_ARGS ?=

# Tests start hundreds of processes: each would compile every file anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: bench test baselines perf survival lint format selfcheck experiments clean
.DELETE_ON_ERROR:

bench: $(VENV)/installed
	$(BIN)/bench run $(BENCH_ARGS)

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal

# The pictures that figures are compared with; look at what git says has changed before you commit it.
baselines: $(VENV)/installed-dev
	$(BIN)/python -m pytest tests/output/figures/test_pictures.py --renew-baselines

# Every phase of what bench run measures by default, under pytest-benchmark; git ignores the file that it leaves.
perf: $(VENV)/installed-dev
	$(BIN)/python -m pytest tests/performance -m performance --benchmark-disable-gc --benchmark-sort=name \
		--benchmark-columns=median,iqr,min,max,rounds --benchmark-json=results/perf.json

survival: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow -rP -n auto --dist worksteal

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

selfcheck: $(VENV)/installed
	$(BIN)/python tests/selfcheck.py

experiments: $(VENV)/installed-dev
	$(PIP) --editable '.[torch,tensorflow,jax,experiments]'
	$(BIN)/python docs/experiments/engine_cost.py
	$(BIN)/python docs/experiments/regression_tools.py

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "stepbench needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing pinned packages into $(VENV): a few minutes and 3 to 8 GB the first time."
	$(if $(TORCH_INDEX),$(PIP) torch --index-url $(TORCH_INDEX))
	$(PIP) --editable '.[torch,tensorflow,jax,perf]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[torch,tensorflow,jax,perf,dev]'
	@touch $@

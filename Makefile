# Everything is installed into .venv from pinned versions; nothing else on the machine is touched.
PYTHON ?= python3
# The index to take torch from, as shown on pytorch.org under "Start Locally"; empty: the default one.
TORCH_INDEX ?=
BENCH_ARGS ?=
# The Python of a machine without a network that wheels are for.
FOR ?= 3.12
# What gpu-proof needs beyond torch, NumPy, matplotlib and pytest, which such a machine has with all that these need. Some
# of that comes along in a version that is new enough.
CARRIED := annotated-types click hypothesis junitparser markdown-it-py mdurl nvidia-ml-py pandas psutil pydantic \
	pydantic-core pypdf pytest-timeout python-dateutil rich sortedcontainers threadpoolctl typing-extensions \
	typing-inspection tzdata
WHEELS_KB := 20000

# Tests start hundreds of processes: each would compile every file anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: bench gpu wheels test baselines perf survival lint format selfcheck experiments clean
.DELETE_ON_ERROR:

bench: $(VENV)/installed
	$(BIN)/bench run $(BENCH_ARGS)

# On a machine with an NVIDIA GPU: does everything work there? Leaves a folder with PROOF.md below results/.
gpu: $(VENV)/installed-dev
	$(BIN)/python -m bench gpu-proof $(BENCH_ARGS)

# For a machine like this one that has no network: docs/gpu.md says what to do with them there.
wheels:
	rm -rf wheels
	$(PYTHON) -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
		--python-version $(FOR) --constraint constraints.txt --dest wheels $(CARRIED)
	@kb=$$(du -sk --apparent-size wheels | cut -f1); echo "wheels/ for Python $(FOR): $$kb KB"; \
		test $$kb -lt $(WHEELS_KB) || { echo "wheels/ must be smaller than $(WHEELS_KB) KB" >&2; exit 1; }

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
	rm -rf $(VENV) build wheels *.egg-info .mypy_cache .ruff_cache

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

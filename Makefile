# The commands of the README and the usual others. A second run of any does not install again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test engines lint types vertical floors docs wheel bench clean

demo: $(VENV)/crmkit
	$(BIN)/crmkit demo

# Watching the coverage takes more than half of the time, so it is watched where it is asked for, in the tests of these rooms.
COVERED := $(addprefix tests/,io/stores metrics model rules segmentation)

test: $(VENV)/test
	$(BIN)/pytest --cov --cov-report=term:skip-covered $(COVERED)
	$(BIN)/pytest $(addprefix --ignore=,$(COVERED))

# The engines that `test` leaves out: Ibis, Splink, and PySpark, which takes Java from a wheel where the machine has none.
engines: $(VENV)/engines
	$(BIN)/pytest tests/engines tests/io/matching/test_splink.py

# A product on crmkit, installed as a company would; its tests see that it uses public names alone.
vertical: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --no-deps --editable examples/fitness_club
	cd examples/fitness_club && $(abspath $(BIN))/mypy && $(abspath $(BIN))/pytest

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/dev
	$(BIN)/mypy

floors: $(VENV)/dev
	$(BIN)/lint-imports

docs: $(VENV)/dev
	$(BIN)/mkdocs build --strict

# The wheel is built and tried alone, in an environment that has nothing but it.
wheel: $(VENV)/dev
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/python -m venv --clear dist/venv
	dist/venv/bin/python -m pip install --quiet dist/*.whl
	dist/venv/bin/crmkit --version
	dist/venv/bin/python -I -W error tests/smoke.py

bench: $(VENV)/test
	for script in bench/*.py; do $(BIN)/python $$script; done

clean:
	rm -rf $(VENV) site dist .coverage .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("crmkit needs Python 3.11 or newer; call make with PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

# A stamp for each set of packages; a changed pyproject.toml installs again.
$(VENV)/crmkit: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable . --group $*
	touch $@

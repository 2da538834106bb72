# Every target sets itself up; all it needs is Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock
PACKAGING := pyproject.toml requirements.lock

.PHONY: demo test lint bench test-base clean

demo: $(VENV)/.base
	$(BIN)/streamad demo

# Apache Kafka runs beside nothing but its own tests: some of them watch the clock.
test: $(VENV)/.all
	$(BIN)/python -m pytest -n auto -m "not kafka"
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m kafka

lint: $(VENV)/.all
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.all
	$(BIN)/python benchmarks/run_all.py

# The built wheel without any extra, in an environment of its own.
test-base: $(VENV)/.all
	rm -rf build/base && mkdir -p build/base
	$(BIN)/python -m build --wheel --outdir build/base .
	$(PYTHON) -m venv build/base/venv
	build/base/venv/bin/python -m pip install --quiet --disable-pip-version-check \
		-c requirements.lock build/base/*.whl pytest hypothesis jsonschema
	cd build/base && venv/bin/python -P ../../tests/base_install.py

$(VENV)/.python:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.base: $(VENV)/.python $(PACKAGING)
	$(PIP) -e .
	touch $@

$(VENV)/.all: $(VENV)/.python $(PACKAGING)
	$(PIP) -e ".[all,dev]"
	touch $(VENV)/.base $@

clean:
	rm -rf $(VENV) build dist demo-out

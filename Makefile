# Four targets. Nothing but Python 3.11 or newer is needed; uv is used where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

ifeq ($(UV),)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
else
INSTALL = uv pip install --quiet --python $(BIN)/python -c constraints.txt
endif

.PHONY: demo test lint bench clean

demo: $(VENV)/lab.stamp ## compare the bundled digits network on every bundled machine
	$(BIN)/python examples/digits_data.py $(VENV)/digits
	$(BIN)/twentywatts compare examples/digits.onnx --data $(VENV)/digits/test.npz --max-drop 2% \
		--html report.html --json report.json
	@echo "open report.html"

test: $(VENV)/test$(TORCH).stamp ## install what the tests need and run them all (TORCH=1 runs those with torch too)
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile $(ARGS)

lint: $(VENV)/test.stamp ## format, lint and types
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/mypy

bench: $(VENV)/test.stamp ## print how fast this machine counts and prices
	$(BIN)/python bench/count_speed.py
	$(BIN)/python bench/price_speed.py

$(VENV)/bin/python:
ifeq ($(UV),)
	$(PYTHON) -m venv $(VENV)
else
	uv venv --quiet --python $(PYTHON) $(VENV)
endif

$(VENV)/lab.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[lab]'
	@touch $@

$(VENV)/test.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) -e '.[lab,test,dev]'
	@touch $@ $(VENV)/lab.stamp

$(VENV)/test1.stamp: $(VENV)/test.stamp
	$(INSTALL) 'torch==2.13.0'
	$(INSTALL) -e '.[lab,torch,test,dev]'
	@touch $@

clean: ## remove the environment and what the demo wrote
	rm -rf $(VENV) report.html report.json

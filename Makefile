# `make demo` shows the main job; `make test` runs every test on every SDK generation.
PYTHON ?= python3
VENV := .venv
# The first that installs dependency groups.
PIP := pip>=25.1
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SDKS := 2.0.0 2.42.0 1.5.35
NEWEST := 3.1.1

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	@tools/fetch_prometheus.sh || echo "Going on without Prometheus and Alertmanager: the demo says what it leaves out."
	@$(VENV)/bin/python -m together_otel.demo

test: $(VENV)/installed $(SDKS:%=.venv-%/installed)
	@tools/fetch_prometheus.sh || test -z "$$CI"
	@for sdk in $(SDKS); do echo "── together $$sdk"; .venv-$$sdk/bin/python -m pytest -q tests/sdk tests/testing || exit 1; done
	@echo "── together $(NEWEST)"
# Coverage counts alone: beside the SDK's filelock, whose audit hook lets threads switch while
# one sets its trace function, Python 3.11 loses a thread now and then.
	@$(VENV)/bin/python -m pytest -q tests/keys --cov=together_otel.keys --cov-branch --cov-fail-under=100
	@$(VENV)/bin/python -m pytest -q --ignore=tests/keys

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/installed
	$(VENV)/bin/python benchmarks/overhead.py

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP_INSTALL) --upgrade '$(PIP)'
	$(VENV)/bin/python $(PIP_INSTALL) --editable '.[zero-code]' --group test --group servers --group lint 'together==$(NEWEST)'
	@touch $@

.venv-%/installed: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python $(PIP_INSTALL) --upgrade '$(PIP)'
	.venv-$*/bin/python $(PIP_INSTALL) --editable '.[zero-code]' --group test 'together==$*'
	@touch $@

clean:
	rm -rf .venv* .tools

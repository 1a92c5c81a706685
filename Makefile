# `make demo` shows the main job; `make test` runs every test on every SDK generation.
PYTHON ?= python3
VENV := .venv
# The first that installs dependency groups.
PIP := pip>=25.1
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
SDKS := 2.0.0 2.42.0 1.5.35
NEWEST := 3.1.1
# The lowest that is declared, the newest 1.x and the oldest 3.x: what may differ in them.
MORE_SDKS := 1.4.5 1.6.0 3.0.0
MORE_TESTS := tests/sdk/test_causes.py tests/sdk/test_coverage.py tests/sdk/test_streams.py
# The lowest and the newest openai client of each generation that is claimed.
OPENAIS := 1.55.3 1.109.1 2.54.0 3.57.0
# The lowest that is claimed; the newest is among the frameworks.
LITELLM := 1.80.0
# LiteLLM's import asks a host for prices, three times, unless it is told not to.
FRAMEWORKS := LITELLM_LOCAL_MODEL_COST_MAP=True
# One generation of the SDK is tested on the newest Python as well.
NEWEST_PYTHON := python3.13
PYTEST := -m pytest -q
# Two processes: what `make test` is measured on has two cores.
PARALLEL := -n 2 --dist worksteal
# The week of a fleet takes minutes of CPU: CI runs it.
SLOW := $(if $(CI),-m "",)

# One within an argument would end it.
COMMA := ,
# A virtual environment made anew: its Python, then what is installed into it.
define environment
	$(1) -m venv $(@D)
	$(@D)/bin/python $(PIP_INSTALL) --upgrade '$(PIP)'
	$(@D)/bin/python $(PIP_INSTALL) --editable $(2)
	@touch $@
endef

.PHONY: help mutants demo test test-fast one fuzz lint docs dist audit bench clean
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/installed .venv-demo/installed ## show the main job: every cause of a refused key, and the page it leads to
	@tools/fetch_prometheus.sh || echo "Going on without Prometheus and Alertmanager: the demo says what it leaves out."
	@$(VENV)/bin/python -m together_otel demo --clients .venv-demo/bin/python

test: $(VENV)/installed $(SDKS:%=.venv-%/installed) $(MORE_SDKS:%=.venv-%/installed) .venv-lowest/installed $(OPENAIS:%=.venv-openai-%/installed) .venv-frameworks/installed .venv-litellm-$(LITELLM)/installed .venv-proxy/installed .venv-neighbours/installed newest-python schemas ## every test, on every generation of the SDK
	@tools/fetch_prometheus.sh || test -z "$$CI"
	@tools/fetch_newest.sh || echo "Rules are tested on one Prometheus only."
	@for sdk in $(SDKS); do echo "── together $$sdk"; .venv-$$sdk/bin/python $(PYTEST) $(PARALLEL) tests/sdk tests/testing || exit 1; done
	@for sdk in $(MORE_SDKS); do echo "── together $$sdk"; .venv-$$sdk/bin/python $(PYTEST) $(PARALLEL) $(MORE_TESTS) || exit 1; done
	@echo "── the lowest dependencies"; .venv-lowest/bin/python $(PYTEST) $(PARALLEL) tests/keys tests/sdk/test_conformance.py tests/sdk/test_backends.py
	@for client in $(OPENAIS); do echo "── openai $$client"; .venv-openai-$$client/bin/python $(PYTEST) $(PARALLEL) tests/clients || exit 1; done
	@echo "── frameworks"; .venv-frameworks/bin/python $(PYTEST) $(PARALLEL) tests/clients/test_missing_keys.py tests/clients/test_frameworks.py tests/clients/test_client_examples.py || exit 1
	@echo "── HTTP libraries and what sends with them"; $(FRAMEWORKS) .venv-frameworks/bin/python $(PYTEST) $(PARALLEL) tests/wire
	@echo "── LiteLLM $(LITELLM)"; $(FRAMEWORKS) .venv-litellm-$(LITELLM)/bin/python $(PYTEST) tests/wire/frameworks/test_litellm.py
	@echo "── LiteLLM's proxy, DSPy"; $(FRAMEWORKS) .venv-proxy/bin/python $(PYTEST) tests/wire/frameworks/test_proxy.py tests/wire/frameworks/test_others.py
	@if test -x .venv-python3.13/bin/python; then echo "── Python 3.13"; .venv-python3.13/bin/python $(PYTEST) $(PARALLEL) tests/keys tests/sdk tests/test_delivery.py; fi
	@echo "── together $(NEWEST)"
# Coverage counts alone: beside the SDK's filelock, whose audit hook lets threads switch while
# one sets its trace function, Python 3.11 loses a thread now and then.
	@$(VENV)/bin/python $(PYTEST) tests/keys --cov=together_otel.keys --cov-branch --cov-fail-under=100
	@$(VENV)/bin/python $(PYTEST) $(PARALLEL) $(SLOW) --ignore=tests/keys --ignore=tests/wire --ignore=tests/clients

test-fast: $(VENV)/installed ## keys and SDK on the newest SDK, without Prometheus: the loop while you write
	@$(VENV)/bin/python $(PYTEST) $(PARALLEL) tests/keys tests/sdk

one: $(VENV)/installed ## one file or test: make one T=tests/keys/test_redaction.py
	@test -n "$(T)" || { echo 'Say which: make one T=tests/keys/test_redaction.py' >&2; exit 2; }
	@$(VENV)/bin/python $(PYTEST) -m "" $(T)

fuzz: $(VENV)/installed ## 100,000 calls with keys of every shape, written everywhere: no signal shows one
	@$(VENV)/bin/python tests/fuzz/fuzz.py

lint: $(VENV)/installed ## ruff, mypy, the layers of imports, and whether every public type is known
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	VIRTUAL_ENV=$(VENV) PATH=$(VENV)/bin:$$PATH pyright --verifytypes together_otel --ignoreexternal

docs: .venv-docs/installed ## the documentation site in .site, strictly
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

dist: .venv-docs/installed ## sdist and wheel in dist, the same bytes for the same commit
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv-docs/bin/python -m build
	.venv-docs/bin/twine check --strict dist/*

audit: .venv-docs/installed .venv-runtime/installed ## known vulnerabilities of what a user installs, and its SBOM in sbom.json
	.venv-docs/bin/cyclonedx-py environment --output-file sbom.json .venv-runtime
	.venv-docs/bin/python tools/audit.py .venv-runtime/lib/python*/site-packages

bench: $(VENV)/installed ## what the instrumentation costs, as ratios to hand-written telemetry
	$(VENV)/bin/python benchmarks/overhead.py

mutants: .venv-mutants/installed ## changes to keys, auth and the doors that no test notices, against tests/mutants.txt
	nice -n 15 .venv-mutants/bin/python tools/mutants.py $(M)

clean: ## remove environments and fetched programs
	rm -rf .venv* .tools mutants .site dist sbom.json tools/schemas/node_modules

$(VENV)/installed: pyproject.toml
	$(call environment,$(PYTHON),'.[cli$(COMMA)zero-code]' --group test --group servers --group lint 'together==$(NEWEST)')

.venv-%/installed: pyproject.toml
	$(call environment,$(PYTHON),'.[zero-code]' --group test 'together==$*')

.venv-openai-%/installed: pyproject.toml
	$(call environment,$(PYTHON),'.[zero-code]' --group test 'openai==$*')

.venv-lowest/installed: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python $(PIP_INSTALL) --upgrade '$(PIP)' packaging
	.venv-lowest/bin/python $(PIP_INSTALL) --editable . --no-deps
	.venv-lowest/bin/python tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PIP_INSTALL) --editable '.[cli]' --group test 'together==$(NEWEST)' opentelemetry-exporter-prometheus -c .venv-lowest/constraints.txt
	@touch $@

.venv-frameworks/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group test --group frameworks)

.venv-litellm-%/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group light 'litellm==$*')

.venv-demo/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group demo)

.venv-proxy/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group light --group proxy)

.venv-mutants/installed: pyproject.toml
	$(call environment,$(PYTHON),'.[zero-code]' --group test --group mutants 'together==$(NEWEST)')

.venv-neighbours/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group neighbours 'together==$(NEWEST)')

.venv-docs/installed: pyproject.toml
	$(call environment,$(PYTHON),. --group docs)

# Schemas of the operators' resources and Loki's grammar come from npm.
.PHONY: schemas
schemas:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory tools/schemas/node_modules/installed; \
	else echo "npm is not here: exported resources are not checked by their schemas."; test -z "$$CI"; fi

tools/schemas/node_modules/installed: tools/schemas/package.json
	npm --prefix tools/schemas install --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.venv-runtime/installed: pyproject.toml
	$(PYTHON) -m venv .venv-runtime
	.venv-runtime/bin/python $(PIP_INSTALL) '.[zero-code]'
	@touch $@

# pyenv knows its versions by number only: a Python that a shim cannot start is not there.
.PHONY: newest-python
newest-python:
	@python="$$(tools/find_python.sh 3.13)"; if test -n "$$python"; then \
	    $(MAKE) --no-print-directory .venv-python3.13/installed NEWEST_PYTHON="$$python"; \
	else echo "Python 3.13 is not here: nothing is tested on it."; test -z "$$CI"; fi

.venv-python3.13/installed: pyproject.toml
	$(call environment,$(NEWEST_PYTHON),'.[zero-code]' --group test 'together==$(NEWEST)')

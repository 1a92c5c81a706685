# `make demo` shows the main job; `make test` runs the tests, lane by lane.
PYTHON ?= python3
VENV := .venv
UV := .venv-tools/bin/python tools/run_uv.py
NEWEST := 3.1.1
# An older generation of the SDK each.
SDKS := 2.0.0 2.42.0 1.5.35
# The lowest that is declared, the newest 1.x and the oldest 3.x: what may differ in them.
MORE_SDKS := 1.4.5 1.6.0 3.0.0
# The lowest and the newest openai client of each generation that is claimed.
OPENAIS := 1.55.3 1.109.1 2.54.0 3.57.0
# The lowest that is claimed; the newest is among the frameworks.
LITELLM := 1.80.0
# One generation of the SDK is tested on the newest Python as well; empty where it is not here.
NEWEST_PYTHON := $(shell tools/find_python.sh 3.13)

# Tests start many processes: each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# What `make test` runs, each lane by its name as well: `make test-wire`; the largest comes last.
LANES := keys sdk-1.5.35 part-2.42.0 python3.13 wire openai-2.54.0
# What CI runs beside them; `CI=true make test` does so anywhere.
CI_LANES := sdk-2.0.0 sdk-2.42.0 $(MORE_SDKS:%=part-%) lowest openai-1.55.3 openai-1.109.1 \
    openai-3.57.0 frameworks frameworks-lowest frameworks-heavy litellm proxy coverage
ifneq ($(CI),)
# Of both there is more in others: on that Python in the lane of coverage.
LANES := $(filter-out python3.13 part-2.42.0,$(LANES)) $(CI_LANES)
# Beside the lanes: a fleet's week, scenarios at every interval, the documentation's commands.
SLOW := -m ""
# The lane of coverage runs them.
COUNTED := $(addprefix --ignore=tests/,auth check cli testing)
endif
LANES += newest

# Two processes: what `make test` is measured on has two cores.
PARALLEL := -n 2 --dist worksteal
# A lane: the Python of the environment that it needs first, and its tests.
define lane
	@echo "── $(@:test-%=%)"
	@$(<D)/bin/python -m pytest -q $(1)
endef
# LiteLLM's import asks a host for prices, three times, unless it is told not to.
test-wire test-litellm test-proxy test-coverage: export LITELLM_LOCAL_MODEL_COST_MAP = True

# A virtual environment made anew, and what is installed into it.
define environment
	@echo "$(@D) …"
	@$(UV) venv --quiet --clear --python $(or $(2),.venv-tools/bin/python) $(@D)
	@$(UV) pip install --quiet --python $(@D) $(1)
	@touch $@
endef
# One within an argument would end it.
COMMA := ,
ENVIRONMENT := pyproject.toml | .venv-tools/installed

.PHONY: help demo test $(LANES:%=test-%) $(CI_LANES:%=test-%) test-fast one fuzz lint docs dist \
    audit bench mutants clean programs schemas
.DELETE_ON_ERROR:

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/installed .venv-demo/installed ## show the main job: every cause of a refused key, and the page it leads to
	@tools/fetch_prometheus.sh || echo "Going on without Prometheus and Alertmanager: the demo says what it leaves out."
	@$(VENV)/bin/python -m together_otel demo --clients .venv-demo/bin/python

test: $(LANES:%=test-%) ## what a change may break, in 15 minutes; with CI=true all there is

# Coverage counts alone: beside the SDK's filelock, whose audit hook lets threads switch while
# one sets its trace function, Python 3.11 loses a thread now and then.
test-keys: $(VENV)/installed
	$(call lane,tests/keys --cov=together_otel.keys --cov-branch --cov-fail-under=100)

test-newest: $(VENV)/installed .venv-1.5.35/installed .venv-neighbours/installed programs schemas
	$(call lane,$(PARALLEL) $(SLOW) $(COUNTED) --ignore=tests/keys --ignore=tests/wire --ignore=tests/clients)

$(SDKS:%=test-sdk-%): test-sdk-%: .venv-%/installed
	$(call lane,$(PARALLEL) tests/sdk tests/testing)

PART := tests/sdk/test_causes.py tests/sdk/test_coverage.py tests/sdk/test_streams.py
$(MORE_SDKS:%=test-part-%) test-part-2.42.0: test-part-%: .venv-%/installed
	$(call lane,$(PARALLEL) $(PART))

test-python3.13: $(if $(NEWEST_PYTHON),.venv-python3.13/installed)
	$(if $<,$(call lane,$(PARALLEL) tests/keys tests/test_delivery.py $(PART)),@echo "Python 3.13 is not here: nothing is tested on it."; test -z "$(CI)")

# Every branch that tests reach, with the processes that they start: on 3.13, as 3.11 loses threads
# under a trace function; in an environment of the newest clients, and one of together 1.x.
# What a process leaves that is killed while it writes is passed over, but coverage leaves it open.
COVERAGE := $(PARALLEL) --cov --cov-append --cov-report= --cov-fail-under=0 \
    -W 'ignore:unclosed database:ResourceWarning'
COVERED := $(addprefix tests/,keys sdk auth check cli clients testing wire laws/test_faults.py e2e/test_drill.py) \
    $(wildcard tests/test_*.py)
test-coverage: $(if $(NEWEST_PYTHON),.venv-coverage/installed .venv-coverage-1.x/installed) programs schemas
	@test -n "$(NEWEST_PYTHON)" || { echo "Python 3.13 is not here: nothing is counted."; exit 1; }
	@rm -f .coverage .coverage.*
	$(call lane,$(COVERAGE) $(COVERED))
	@.venv-coverage-1.x/bin/python -m pytest -q $(COVERAGE) $(PART) $(addprefix tests/sdk/test_,downloads.py pagination.py uploads.py recovery_uploads.py)
	@.venv-coverage/bin/coverage report --fail-under=95

test-lowest: .venv-lowest/installed
	$(call lane,$(PARALLEL) tests/keys tests/sdk/test_conformance.py tests/sdk/test_backends.py)

$(OPENAIS:%=test-openai-%): test-openai-%: .venv-openai-%/installed
	$(call lane,$(PARALLEL) tests/clients)

test-frameworks test-frameworks-lowest: test-%: .venv-%/installed
	$(call lane,$(PARALLEL) tests/clients/test_missing_keys.py tests/clients/test_frameworks.py tests/clients/test_client_examples.py)

# One process imports them once.
test-frameworks-heavy: .venv-frameworks-heavy/installed
	$(call lane,tests/clients/test_heavy_frameworks.py)

# HTTP libraries and what sends with them.
test-wire: .venv-frameworks/installed
	$(call lane,$(PARALLEL) tests/wire)

test-litellm: .venv-litellm-$(LITELLM)/installed
	$(call lane,tests/wire/frameworks/test_litellm.py tests/wire/frameworks/test_others.py)

# LiteLLM's proxy, and DSPy.
test-proxy: .venv-proxy/installed
	$(call lane,tests/wire/frameworks/test_proxy.py tests/wire/frameworks/test_others.py)

programs:
	@tools/fetch_prometheus.sh || test -z "$(CI)"
	@test -z "$(CI)" || tools/fetch_newest.sh || echo "Rules are tested on one Prometheus only."

test-fast: $(VENV)/installed ## keys and SDK on the newest SDK, without Prometheus: the loop while you write
	@$(VENV)/bin/python -m pytest -q $(PARALLEL) tests/keys tests/sdk

one: $(VENV)/installed ## one file or test: make one T=tests/keys/test_redaction.py
	@test -n "$(T)" || { echo 'Say which: make one T=tests/keys/test_redaction.py' >&2; exit 2; }
	@$(VENV)/bin/python -m pytest -q -m "" $(T)

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

# uv makes the others: it shares what it installs among them.
.venv-tools/installed:
	@$(PYTHON) -m venv .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	@touch $@

$(VENV)/installed: $(ENVIRONMENT)
	$(call environment,-e '.[cli$(COMMA)zero-code]' --group test --group servers --group lint 'together==$(NEWEST)')

.venv-%/installed: $(ENVIRONMENT)
	$(call environment,-e '.[zero-code]' --group test 'together==$*')

.venv-openai-%/installed: $(ENVIRONMENT)
	$(call environment,-e '.[zero-code]' --group test 'openai==$*')

.venv-lowest/installed: $(ENVIRONMENT)
	@$(UV) pip compile --quiet --resolution lowest-direct --no-deps --extra cli --output-file $(@D).txt pyproject.toml >/dev/null
	$(call environment,-e '.[cli]' --group test 'together==$(NEWEST)' opentelemetry-exporter-prometheus --constraints $(@D).txt)

FRAMEWORKS := $(foreach group,frameworks frameworks-lowest frameworks-heavy,.venv-$(group)/installed)
$(FRAMEWORKS): .venv-%/installed: $(ENVIRONMENT)
	$(call environment,-e . --group test --group $*)

.venv-litellm-%/installed: $(ENVIRONMENT)
	$(call environment,-e . --group light --group light-lowest 'litellm==$*')

.venv-demo/installed: $(ENVIRONMENT)
	$(call environment,-e . --group demo)

.venv-proxy/installed: $(ENVIRONMENT)
	$(call environment,-e . --group light --group proxy)

.venv-mutants/installed: $(ENVIRONMENT)
	$(call environment,-e '.[zero-code]' --group test --group mutants 'together==$(NEWEST)')

.venv-neighbours/installed: $(ENVIRONMENT)
	$(call environment,-e . --group neighbours 'together==$(NEWEST)')
# It wants openai 2, and works with 3, which is tested beside the others.
	@$(UV) pip install --quiet --python $(@D) --no-deps 'openlit==1.45.0'

.venv-docs/installed: $(ENVIRONMENT)
	$(call environment,-e . --group docs)

.venv-runtime/installed: $(ENVIRONMENT)
	$(call environment,'.[zero-code]')

.venv-python3.13/installed: $(ENVIRONMENT)
	$(call environment,-e '.[zero-code]' --group test 'together==$(NEWEST)',$(NEWEST_PYTHON))

.venv-coverage/installed: $(ENVIRONMENT)
	$(call environment,-e '.[cli$(COMMA)zero-code]' --group test --group servers 'together==$(NEWEST)' 'openai==3.57.0' aiohttp httpx2 requests,$(NEWEST_PYTHON))

.venv-coverage-1.x/installed: $(ENVIRONMENT)
	$(call environment,-e '.[zero-code]' --group test 'together==1.5.35',$(NEWEST_PYTHON))

# Schemas of the operators' resources and Loki's grammar come from npm.
schemas:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory tools/schemas/node_modules/installed; \
	else echo "npm is not here: exported resources are not checked by their schemas."; test -z "$$CI"; fi

tools/schemas/node_modules/installed: tools/schemas/package.json
	npm --prefix tools/schemas install --ignore-scripts --no-audit --no-fund --silent
	@touch $@

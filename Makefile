# Everything a developer or a first-time user starts. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(POINTCLOUD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pointcloud-operator)
PYTHON ?= python3
# Outside the clone and keyed by what is in it, so that another clone finds it ready.
VENV := $(CACHE)/venv-$(shell $(PYTHON) -c 'import sys; print("%d%d" % sys.version_info[:2])')-$(shell sha256sum requirements/dev.txt 2>/dev/null | cut -c1-12)
PY := $(VENV)/bin/python
READY := $(VENV)/complete
export PYTHONPATH := operator:images/stage:images/ingest:images/colmap:images/potree:images/gateway:.
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

.PHONY: demo
demo: $(READY) ## From photos to a URL: sets everything up, then runs one PointcloudJob (PHOTOS=dir for your own)
	@$(PY) -m tools.demo $(if $(PHOTOS),--photos "$(PHOTOS)")

.PHONY: test
test: $(READY) ## Set everything up, then lint, unit, integration and end-to-end tests
	@$(PY) -m tools.prepare
	@$(MAKE) lint
	@$(MAKE) unit
	@$(PY) -m pytest tests/integration tests/e2e $(PYTEST_ARGS)

.PHONY: unit
unit: $(READY) ## Unit tests alone
	@# The others share clusters and wait for programs of many threads.
	@$(PY) -m pytest --numprocesses 2 --dist loadfile tests/unit $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(READY) ## Random lives of jobs, another seed each time (LIVES=20000: about 30 minutes of processor time)
	@POINTCLOUD_FUZZ=$(or $(LIVES),20000) $(PY) -m pytest -q tests/unit/operator/test_decide_properties.py

.PHONY: faults
faults: $(READY) ## Every fault at every point, more than an hour; `make reliability` takes every point with one fault
	@POINTCLOUD_ALL_FAULTS=1 $(PY) -m pytest -m "" tests/integration/operator/faults tests/integration/operator/test_properties.py $(PYTEST_ARGS)

.PHONY: reliability
reliability: $(READY) ## Inject faults at every point, half an hour; write what was survived into docs/reliability.md
	@$(PY) -m tools.prepare
	@rm -rf $(CACHE)/faults && POINTCLOUD_FAULTS=$(CACHE)/faults $(PY) -m pytest -m "" tests/unit/operator \
	  tests/integration/operator tests/e2e/test_faults.py $(PYTEST_ARGS)
	@$(PY) -m tools.reliability $(CACHE)/faults docs/reliability.md

.PHONY: lint
lint: $(READY) ## ruff, mypy, import-linter, shellcheck, helm lint, drift of generated files
	@$(PY) -m tools.lint

.PHONY: bench
bench: $(READY) ## Speed and memory, as ratios measured side by side
	@$(PY) -m tools.bench

.PHONY: cluster-up
cluster-up: $(READY) ## Start the local cluster, or repair it
	@$(PY) -m tools.cluster up

.PHONY: cluster-down
cluster-down: $(READY) ## Stop the local cluster and remove all of it
	@$(PY) -m tools.cluster down

.PHONY: kubeconfig
kubeconfig: $(READY) ## Print the path of the local cluster's kubeconfig, alone
	@$(PY) -m tools.cluster kubeconfig

.PHONY: images
images: $(READY) ## Build the images whose inputs changed (NAMES="colmap-cuda12" for others than the usual)
	@$(PY) -m tools.images build $(NAMES)

.PHONY: install
install: $(READY) ## Build what changed and install or update the chart on the local cluster
	@$(PY) -m tools.install

.PHONY: gateway-url
gateway-url: $(READY) ## Print the address of the local cluster's REST service and web page, alone
	@$(PY) -m tools.gateway url

.PHONY: gateway-token
gateway-token: $(READY) ## Print a token that it accepts for a day, alone
	@$(PY) -m tools.gateway token

.PHONY: crds
crds: $(READY) ## Generate the CustomResourceDefinition and the kustomize manifests
	@$(PY) -m tools.generate

.PHONY: lock
lock: $(READY) ## Pin the dependencies of every image and of the development environment
	@$(PY) -m tools.lock

.PHONY: venv
venv: $(READY) ## Print the path of the development environment, alone
	@echo $(VENV)

# Without prerequisites: its name says what it was made from, and the files of a new clone are newer than it.
$(READY):
	@echo "Python packages for development: about a minute, once (into $(VENV))" >&2
	@mkdir -p $(CACHE) && exec 9>$(VENV).lock && flock 9 && if [ ! -e $@ ]; then \
	  $(PYTHON) -m venv --clear $(VENV) && \
	  $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt >&2 && \
	  touch $@; fi

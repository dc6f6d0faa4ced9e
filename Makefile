# The study from end to end. `make` alone lists what there is.

PROFILE := laptop
DATA :=
ENV := .venv
EXTRAS :=
WORKERS := 2

ifeq ($(PROFILE),)
$(error PROFILE is empty: give the name of a file of params/)
endif

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

ifeq ($(ENV),active)
PYTHON := python3
READY :=
else
PYTHON := $(ENV)/bin/python
READY := $(ENV)/.ready$(EXTRAS:%=-%)
endif

# A run of one's own file has a folder of its own, so that runs never overwrite each other.
RUN := runs/$(PROFILE)$(if $(DATA),-$(basename $(patsubst %.gz,%,$(notdir $(DATA)))))
PARAMS := params/$(PROFILE).yaml
EVENTS := $(RUN)/data/events.parquet
NOTEBOOKS := $(notdir $(wildcard notebooks/[0-9]*.ipynb))
DONE := $(NOTEBOOKS:%=$(RUN)/notebooks/%)
REPORT := $(RUN)/report/index.html
LIBRARY := $(wildcard higgs_lib/*.py)

ifneq ($(DATA),)
ifneq ($(words $(DATA)),1)
$(error DATA: make can only take a path without spaces, not "$(DATA)")
endif
endif

.PHONY: help env data reproduce report lab cluster cluster-stop bench bench-gpu test lint format clean lock FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  PROFILE=$(PROFILE)   one of: $(sort $(basename $(notdir $(wildcard params/*.yaml))))"
	@echo "  DATA=            a .csv or .csv.gz in UCI HIGGS' format, instead of the profile's events"
	@echo "  ENV=$(ENV)        where Python's packages are kept; ENV=active uses the environment you are in"
	@echo "  EXTRAS=          gpu: make the environment with CUDA's libraries, for NVIDIA GPUs (make env EXTRAS=gpu)"

env: $(READY) ## Make the environment (.venv; with uv where it is installed)

# ------------------------------------------------------------------------------------------------- environment
# Each choice of EXTRAS has a file that says it is done. What an extra has brought stays where it is left out later.
$(ENV)/.ready$(EXTRAS:%=-%): pyproject.toml requirements.lock
	@python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "error: Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0])'
	@echo "Making the environment in $(ENV); this takes a few minutes the first time."
	if command -v uv > /dev/null; then \
	  [ -x $(PYTHON) ] || uv venv --quiet $(ENV); \
	  uv pip install --quiet --python $(PYTHON) --constraint requirements.lock --editable '.[dev$(EXTRAS:%=,%)]'; \
	else \
	  $(PYTHON) -m pip --version > /dev/null 2>&1 || python3 -m venv $(ENV); \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev$(EXTRAS:%=,%)]'; \
	fi
	$(PYTHON) -m higgs_lib java
	touch $@ $(ENV)/.ready

lock: $(READY) ## Pin the versions of all dependencies in requirements.lock
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --extra bench --universal --upgrade --quiet --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --output-file requirements.lock

# -------------------------------------------------------------------------------------------------------- study
data: $(READY) ## Download UCI HIGGS (2.6 GiB; goes on after an interrupt) and ingest it, for PROFILE=full
	$(MAKE) runs/full/data/events.parquet PROFILE=full DATA=

reproduce: $(DONE) $(REPORT) ## Run what is stale of PROFILE's notebooks, then the report
	@echo "Report: $(REPORT)"

report: $(REPORT) ## The same; the name says what comes out
	@echo "Report: $(REPORT)"

# Asked at every call, as only the library knows whether the same events would come out; it leaves them if so. It also
# checks the profile, before anything runs.
$(EVENTS): FORCE | $(READY)
	@$(PYTHON) -m higgs_lib events --profile $(PARAMS) --run $(RUN) $(if $(DATA),--data '$(DATA)')

FORCE:

$(DONE): $(RUN)/notebooks/%: $(EVENTS) notebooks/% $(PARAMS) $(LIBRARY) | $(READY)
	$(PYTHON) -m higgs_lib notebook notebooks/$* --profile $(PARAMS) --run $(RUN)

# which notebook reads the results of which
$(RUN)/notebooks/03_performance.ipynb: $(RUN)/notebooks/02_training.ipynb
$(RUN)/notebooks/04_significance.ipynb: $(RUN)/notebooks/03_performance.ipynb
$(RUN)/notebooks/08_kinematics.ipynb: $(RUN)/notebooks/02_training.ipynb $(RUN)/notebooks/03_performance.ipynb
$(RUN)/notebooks/09_conclusions.ipynb: $(filter-out %/09_conclusions.ipynb,$(DONE))

$(REPORT): $(DONE)
	$(PYTHON) -m higgs_lib report --profile $(PARAMS) --run $(RUN)

lab: $(READY) ## Open the notebooks in JupyterLab
	$(PYTHON) -m jupyterlab --notebook-dir=.

cluster: $(READY) ## Start a Spark cluster on this machine: a master and WORKERS=2 workers with a core and 2 GB each
	@$(PYTHON) -m higgs_lib cluster start --folder runs/cluster --workers $(WORKERS)

cluster-stop: $(READY) ## Stop that cluster
	@$(PYTHON) -m higgs_lib cluster stop --folder runs/cluster

bench: $(READY) ## Measure this machine against what one would use instead (20 minutes; 5 GB of other libraries)
	$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --constraint requirements.lock --editable '.[dev,bench]'
	$(PYTHON) benchmarks/scores.py
	$(PYTHON) benchmarks/events.py
	$(PYTHON) benchmarks/training.py

bench-gpu: $(READY) ## Measure this machine's GPUs for 07_gpu_scaling (meant to take under 10 minutes a GPU)
	$(PYTHON) benchmarks/gpu.py

clean: ## Delete the results of PROFILE (and DATA); the environment and the download stay
	rm -rf '$(RUN)'

# -------------------------------------------------------------------------------------------------- development
test: $(READY) ## Run every test
	$(PYTHON) -m pytest

lint: $(READY) ## Check the style of code and notebooks
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m nbstripout --verify notebooks/*.ipynb

format: $(READY) ## Bring code and notebooks into that style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	$(PYTHON) -m nbstripout notebooks/*.ipynb

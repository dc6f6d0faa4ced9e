# The study from end to end. `make` alone lists the targets.

PROFILE := laptop
DATA :=
MIRROR :=
SCORES :=
OTHER :=
EVENTS :=
SPLIT :=
ENV := .venv
EXTRAS :=
WORKERS := 2

# Names of folders and targets, which make reads: those with other characters are refused.
empty :=
space := $(empty) $(empty)
tab := $(empty)	$(empty)
define newline


endef
ODD := : ; % & | < > * ? ! \ ' " ( ) { } [ ] ~ ^ \# $$ `
blanks = $(strip $(foreach blank,space tab newline,$(if $(findstring $($(blank)),$(1)),$(blank))))
odd = $(call blanks,$(1)) $(foreach character,$(ODD),$(findstring $(character),$(1)))
refuse = $(error $(1): make cannot take a name with $(strip $(2)), only with letters, digits and . _ - + , = @)
check = $(if $(strip $(call odd,$(value $(1)))),$(call refuse,$(1),$(call odd,$(value $(1)))))
$(foreach name,PROFILE ENV EXTRAS WORKERS,$(call check,$(name)))
ifneq ($(findstring /,$(PROFILE))$(filter . ..,$(PROFILE)),)
$(error PROFILE: the name of a file of params/ without folder and suffix is expected, not $(PROFILE))
endif
ifeq ($(PROFILE),)
$(error PROFILE is empty: give the name of a file of params/)
endif
IS_CHOSEN := $(if $(value DATA),DATA,$(filter-out file,$(origin PROFILE)))

# Paths are taken as they stand, and recipes read them from their environment, since they may have any character.
PATHS := DATA MIRROR SCORES OTHER EVENTS SPLIT
$(foreach name,$(PATHS),$(eval override $(name) := $$(value $(name))))
refuse_blanks = $(error $(1): make cannot take a path with a tab or a line break)
$(foreach name,$(PATHS),$(if $(filter tab newline,$(call blanks,$($(name)))),$(call refuse_blanks,$(name))))

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SILENT:
.DEFAULT_GOAL := help

ifeq ($(ENV),active)
PYTHON := python3
ENV_BIN :=
READY :=
else
PYTHON := $(ENV)/bin/python
ENV_BIN := $(ENV)/bin/
READY := $(ENV)/.ready$(EXTRAS:%=-%)
endif

# A run of one's own file has a folder of its own, so that runs never overwrite each other. make's functions take a path
# with spaces for several, so that another character stands for them.
stand_in := $(shell printf '\037')
one_word := $(subst $(space),$(stand_in),$(DATA))
unpacked := $(patsubst %/,%,$(one_word))
$(foreach packing,gz bz2 xz zip,$(eval unpacked := $$(patsubst %.$(packing),%,$$(unpacked))))
stem := $(subst $(stand_in),$(space),$(basename $(notdir $(unpacked))))
RUN := runs/$(PROFILE)$(if $(DATA),-$(stem))
override RUN := $(value RUN)
PARAMS := params/$(PROFILE).yaml
export $(PATHS) RUN

.PHONY: help env data reproduce report check verify lab cluster cluster-stop bench bench-gpu docs test test-fuzz test-faults test-versions test-browser coverage mutants lint format clean lock
.NOTPARALLEL: # targets that are given together run one after the other, as `reproduce check` has to

help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	echo
	echo "  PROFILE=$(PROFILE)   one of: $(sort $(basename $(notdir $(wildcard params/*.yaml))))"
	echo "  DATA=            your UCI HIGGS in place of the profile's events: CSV, ARFF, Parquet, ... (docs/own_data.md)"
	echo "  MIRROR=          another address of the file that PROFILE downloads"
	echo "  SCORES=          a file of scores to verify; OTHER= a second one, EVENTS= their events, SPLIT= their test rows"
	echo "  ENV=$(ENV)        where Python's packages are kept; ENV=active uses the environment you are in"
	echo "  EXTRAS=          gpu or gpu-jax: make the environment with CUDA's libraries, for TensorFlow or JAX on NVIDIA GPUs"

env: $(READY) ## Make the environment in .venv

# ------------------------------------------------------------------------------------------------- environment
# Each choice of EXTRAS has a file that says it is done. What an extra has brought stays where it is left out later.
# Files are compiled here, as a process that may not write bytecode would compile them at each start.
# uv is faster than pip; pip, whose settings uv does not read, takes over where uv fails. What they print goes to a
# log, which an error names.
LOG := $(ENV).log
PACKAGES = --constraint requirements.lock --editable '.[dev$(EXTRAS:%=,%)]'

$(ENV)/.ready$(EXTRAS:%=-%): pyproject.toml requirements.lock
	python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "error: Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0])'
	echo "Making the environment in $(ENV); this takes a few minutes the first time."
	mkdir -p $(dir $(LOG))
	{ if command -v uv; then \
	    [ -x $(PYTHON) ] || uv venv $(ENV); \
	    uv pip install --compile-bytecode --python $(PYTHON) $(PACKAGES); \
	  else \
	    $(PYTHON) -m pip --version || python3 -m venv $(ENV); \
	    $(PYTHON) -m pip install --disable-pip-version-check --constraint requirements.lock uv; \
	    $(PYTHON) -m uv pip install --compile-bytecode --python $(PYTHON) $(PACKAGES) \
	    || $(PYTHON) -m pip install --disable-pip-version-check $(PACKAGES); \
	  fi; \
	} > $(LOG) 2>&1 || { tail -n 5 $(LOG) >&2; echo "error: the environment could not be made; $(LOG) has the whole output" >&2; exit 1; }
	$(PYTHON) -m higgs_lib java
	touch $@ $(ENV)/.ready

lock: $(READY) ## Pin the versions of all dependencies in requirements.lock
	$(PYTHON) -m uv pip compile pyproject.toml --extra dev --extra bench --extra tabular --extra gpu --extra gpu-jax --universal --upgrade \
	  --quiet --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock

# -------------------------------------------------------------------------------------------------------- study
# Without PROFILE, full.
DOWNLOADED := $(if $(filter file,$(origin PROFILE)),full,$(PROFILE))

data: $(READY) ## Download the events of PROFILE=full (UCI HIGGS, 2.6 GiB) or openml (resumes after an interrupt) and ingest them
	$(PYTHON) -m higgs_lib events --profile params/$(DOWNLOADED).yaml --run runs/$(DOWNLOADED) --mirror="$$MIRROR"

reproduce: $(READY) ## Make the events, run the notebooks of PROFILE that are stale, and render the report
	$(PYTHON) -m higgs_lib reproduce --profile $(PARAMS) --run="$$RUN" --data="$$DATA" --mirror="$$MIRROR"

report: $(READY) ## Render the report of PROFILE's finished notebooks again
	$(PYTHON) -m higgs_lib report --profile $(PARAMS) --run="$$RUN"

check: $(READY) ## Compare the finished run of PROFILE with the stored results/PROFILE.json
	$(PYTHON) -m higgs_lib check --profile $(PARAMS) --run="$$RUN"

verify: $(READY) ## Check the scores of SCORES=file [OTHER=file] [EVENTS=file] [SPLIT=name or first:stop], and measure them again
	$(if $(SCORES),,$(error SCORES is empty: give a file of scores, e.g. SCORES=runs/laptop/scores/deep-low-seed1.parquet))
	$(PYTHON) -m higgs_lib verify --events="$$EVENTS" --split="$$SPLIT" -- "$$SCORES" $${OTHER:+"$$OTHER"}

# Without PROFILE, laptop where its run is finished, otherwise smoke.
lab: $(READY) ## Open the notebooks in JupyterLab, to play with: PROFILE's run stays as it is
	$(PYTHON) -m higgs_lib lab $(if $(IS_CHOSEN),--profile $(PARAMS) --run="$$RUN") --data="$$DATA"

cluster: $(READY) ## Start a Spark cluster on this machine: a master and WORKERS=2 workers with a core and 2 GB each
	$(PYTHON) -m higgs_lib cluster start --folder runs/cluster --workers $(WORKERS)

cluster-stop: $(READY) ## Stop that cluster
	$(PYTHON) -m higgs_lib cluster stop --folder runs/cluster

bench: $(READY) ## Benchmark against Keras, PyTorch, JAX, pandas and others (20 minutes; 5 GB of other libraries)
	$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --constraint requirements.lock --editable '.[dev,bench]'
	$(PYTHON) benchmarks/scores.py
	$(PYTHON) benchmarks/events.py
	$(PYTHON) benchmarks/training.py

bench-gpu: $(READY) ## Measure this machine's GPUs for 11_gpu_scaling (a few minutes a GPU, with trainings on 10,000,000 built-in events)
	$(PYTHON) benchmarks/gpu.py

clean: ## Delete the results of PROFILE (and DATA); the environment and the download stay
	rm -rf -- "$$RUN"

# -------------------------------------------------------------------------------------------------- development
docs: $(READY) ## Render the documentation into docs/_build/html
	$(PYTHON) -m sphinx -q -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html
	echo "Documentation: docs/_build/html/index.html"

test: $(READY) ## Run every test, on all cores
	$(PYTHON) -m pytest -n logical --dist loadfile --no-loadscope-reorder

test-fuzz: $(READY) ## Try 10,000 inputs on each reader of files, settings and messages
	HIGGS_FUZZ=10_000 $(PYTHON) -m pytest -n logical tests -k fuzz

test-faults: $(READY) ## Kill, fill and damage runs, which then end as undisturbed ones (an hour or more)
	HIGGS_FAULTS=1 $(PYTHON) -m pytest tests/faults
	PATH="$(abspath $(ENV_BIN)):$$PATH" $(PYTHON) tests/faults/campaign.py

test-versions: $(READY) ## Test the wheel on Python 3.11, 3.12 and 3.13
	$(PYTHON) tools/test_versions.py

coverage: $(READY) ## Run every test and say which lines none has run
	$(PYTHON) -m pytest -n logical --dist loadfile --no-loadscope-reorder --cov --cov-report term-missing:skip-covered

mutants: $(READY) ## Change the formulas of metrics one by one: do the tests notice?
	$(PYTHON) -m mutmut run
	$(PYTHON) -m mutmut results

test-browser: $(READY) ## Open the report of PROFILE's finished run, and JupyterLab, in Chromium and test them
	HIGGS_RUN="$$RUN" $(PYTHON) -m pytest tests/browser

lint: $(READY) ## Check the style of code and notebooks, the types and the directions of import
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m nbstripout --verify notebooks/*.ipynb
	$(PYTHON) -m mypy
	$(ENV_BIN)lint-imports --no-cache > /dev/null || { $(ENV_BIN)lint-imports --no-cache; exit 1; }

format: $(READY) ## Bring code and notebooks into that style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	$(PYTHON) -m nbstripout notebooks/*.ipynb

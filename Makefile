# Everything that is done with this repository; `make help` lists it. Runs on a fresh Debian with Python 3.11, make and root.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
include versions.mk

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/translation-operator
export UV_CACHE_DIR ?= $(CACHE)/uv
export PYTHONDONTWRITEBYTECODE := 1
NAME ?= demo

# One environment a program, named by the content of its lock, outside the checkout; one more for the predictor's second
# engine, for `make slow` alone: it is larger than all others.
PROGRAMS := crds operator trainer_image predictor cli localcluster
PEERS := joeynmt litserve mlserver
SECOND_ENGINE := predictor-tensorflow
LOCK_$(SECOND_ENGINE) := predictor/requirements-tensorflow-dev.lock
dev_lock = $(or $(LOCK_$(1)),$(1)/requirements-dev.lock)
venv = $(CACHE)/venvs/$(1)-$(shell sha256sum $(call dev_lock,$(1)) | cut -c1-16)
$(foreach p,$(PROGRAMS) $(SECOND_ENGINE),$(eval VENV_$(p) := $(call venv,$(p))))
VENVS := $(foreach p,$(PROGRAMS),$(VENV_$(p))/.complete)
TOOLS := $(CACHE)/tools/uv-$(UV_VERSION)
UV := $(TOOLS)/bin/uv
PY = $(VENV_$(1))/bin/python
LOCALCLUSTER := PYTHONPATH=localcluster $(call PY,localcluster) -m localcluster

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(UV):
	@command -v python3 >/dev/null || { echo "python3 (3.11) is needed: apt-get install python3"; exit 1; }
	@python3 -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
	@mkdir -p $(CACHE)/tools $(CACHE)/locks
	@flock $(CACHE)/locks/uv sh -ec 'test ! -x $@ || exit 0; rm -rf $(TOOLS); \
	  python3 -m venv $(TOOLS); $(TOOLS)/bin/pip install --quiet uv==$(UV_VERSION)'

.PRECIOUS: $(CACHE)/venvs/%/.complete
define venv_rule
# Order only: the path holds the lock's content, and the time of a checkout says nothing. Two makes at a time make it once.
$(VENV_$(1))/.complete: | $(call dev_lock,$(1)) $(UV)
	@echo "environment for $(1)"
	@mkdir -p $(CACHE)/locks
	@flock $(CACHE)/locks/$(notdir $(VENV_$(1))) sh -ec 'test ! -e $$@ || exit 0; rm -rf $(VENV_$(1)); \
	  $(UV) venv --quiet --python 3.11 $(VENV_$(1)); VIRTUAL_ENV=$(VENV_$(1)) \
	  $(UV) pip sync --quiet --compile-bytecode --require-hashes $(call dev_lock,$(1)); touch $$@'
.PHONY: venv-$(1)
venv-$(1): $(VENV_$(1))/.complete ## (one of the environments)
	@if [ -d $(1) ]; then ln -sfn $(VENV_$(1)) $(1)/.venv; fi; echo $(VENV_$(1))
endef
$(foreach p,$(PROGRAMS) $(SECOND_ENGINE),$(eval $(call venv_rule,$(p))))

COMPILE = $(UV) pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 --python-platform x86_64-manylinux_2_31
.PHONY: lock
lock: $(UV) ## write every lock file anew from the project files
	@for p in $(PROGRAMS) benchmarks; do \
	  for extra in "" dev; do \
	    out=$$p/requirements$${extra:+-$$extra}.lock; echo $$out; \
	    corpus=$$(case $$p in trainer_image|predictor) echo corpus/pyproject.toml;; esac); \
	    $(COMPILE) --project $$p $${extra:+--group $$p/pyproject.toml:$$extra} $$p/pyproject.toml $$corpus --output-file $$out; \
	  done; done
	@for extra in "" dev; do \
	  out=predictor/requirements-tensorflow$${extra:+-$$extra}.lock; echo $$out; \
	  $(COMPILE) --project predictor --extra tensorflow $${extra:+--group predictor/pyproject.toml:$$extra} \
	    predictor/pyproject.toml corpus/pyproject.toml --output-file $$out; \
	done
	@for p in $(PEERS); do $(COMPILE) benchmarks/$$p/requirements.in --output-file benchmarks/$$p/requirements.lock; done

# The programs side by side, as many as there are cores; each tells what it has to say in one piece.
SIDE_BY_SIDE = @$(MAKE) --jobs=$(shell nproc) --output-sync=target

.PHONY: check
check: $(VENVS) ## lint, types, layering
	$(SIDE_BY_SIDE) check-style check-layers $(addprefix check-types-,$(PROGRAMS))

.PHONY: check-style check-layers
check-style:
	$(call PY,crds) -m ruff check .
	$(call PY,crds) -m ruff format --check .
check-layers:
	PYTHONPATH=crds:corpus:operator:trainer_image:predictor:cli $(VENV_crds)/bin/lint-imports --cache-dir $(CACHE)/import-linter

TYPED_crds := crds/mt_contract
TYPED_trainer_image := corpus/mt_corpus trainer_image/mt_trainer
TYPED_operator := operator/mt_operator
TYPED_predictor := predictor/mt_predictor demo/faulty/faulty_predictor.py
TYPED_cli := cli/mt_cli
TYPED_localcluster := localcluster/localcluster demo
check-types-%:
	$(call PY,crds) -m mypy --cache-dir $(CACHE)/mypy/$* --python-executable $(call PY,$*) $(TYPED_$*)

.PHONY: unit
unit: $(VENVS) ## the tests that need no cluster
	$(SIDE_BY_SIDE) $(addprefix unit-,operator trainer_image predictor cli localcluster crds)

TESTS_crds := tests/contract
TESTS_operator := tests/operator tests/gitops
TESTS_trainer_image := tests/corpus tests/trainer
TESTS_predictor := tests/predictor
TESTS_cli := tests/cli
TESTS_localcluster := tests/localcluster tests/demo
unit-%:
	$(call PY,$*) -m pytest -m "not slow and not apiserver and not e2e" -q $(TESTS_$*)

.PHONY: contract
contract: $(VENVS) ## CRDs and operator against a real API server, without nodes
	$(call PY,localcluster) -m pytest -q -m apiserver tests/localcluster
	$(call PY,crds) -m pytest -q tests/crds
	$(call PY,operator) -m pytest -q -m apiserver tests/operator tests/gitops
	$(call PY,cli) -m pytest -q -m apiserver tests/cli

.PHONY: slow
slow: $(VENVS) $(VENV_$(SECOND_ENGINE))/.complete ## trainings that are killed and resumed, parity on every sentence; against a real Prometheus
	$(call PY,operator) -m pytest -q -m slow tests/operator
	$(call PY,trainer_image) -m pytest -q -m slow tests/corpus tests/trainer
	$(call PY,predictor) -m pytest -q -m slow tests/predictor --ignore tests/predictor/test_engines.py
	MT_TRAINER_PYTHON=$(call PY,trainer_image) $(call PY,$(SECOND_ENGINE)) -m pytest -q -m slow tests/predictor/test_engines.py
	$(call PY,cli) -m pytest -q -m slow tests/cli

.PHONY: e2e
e2e: $(VENVS) ## the whole story on the local cluster
	$(call PY,localcluster) -m pytest -v -m e2e tests/localcluster tests/e2e

.PHONY: test
test: ## everything that proves it works; what CI runs
	@$(MAKE) check
	@$(MAKE) unit
	@$(MAKE) contract
	@$(MAKE) slow
	@$(MAKE) e2e

.PHONY: test-all
test-all: ## the same at full length: 20 kills of the operator, 50 of trainings, 100,000 steps of the rollout machine, every fault in both modes
	@MT_KILLS=20 MT_TRAINING_KILLS=50 MT_QUIET_SECONDS=300 MT_EVERY_FAULT=1 HYPOTHESIS_PROFILE=long $(MAKE) test

.PHONY: demo
demo: $(VENVS) ## bring up a cluster and tell the whole story (CLUSTER=current: on the cluster kubectl points at)
	@PYTHONPATH=crds:localcluster $(call PY,localcluster) -m demo $(ARGS)

.PHONY: cluster
cluster: $(VENV_localcluster)/.complete ## a local cluster with KServe and a gateway (NAME=demo)
	@$(LOCALCLUSTER) up --name $(NAME)

.PHONY: cluster-down
cluster-down: $(VENV_localcluster)/.complete ## stop it
	@$(LOCALCLUSTER) down --name $(NAME)

.PHONY: kubeconfig
kubeconfig: $(VENV_localcluster)/.complete ## print the path of its kubeconfig
	@$(LOCALCLUSTER) kubeconfig --name $(NAME)

.PHONY: bench
bench: VENV_benchmarks := $(call venv,benchmarks)
bench: $(UV) ## measure side by side with others (NAME=analysis, NAME=gate; ARGS="--scale 0.1")
	@test -e $(VENV_benchmarks)/.complete || { rm -rf $(VENV_benchmarks); \
	  $(UV) venv --quiet --python 3.11 $(VENV_benchmarks); \
	  VIRTUAL_ENV=$(VENV_benchmarks) $(UV) pip sync --quiet --compile-bytecode --require-hashes benchmarks/requirements-dev.lock; \
	  touch $(VENV_benchmarks)/.complete; }
	@OPENBLAS_NUM_THREADS=1 PYTHONPATH=crds:corpus:operator:predictor:. $(call PY,benchmarks) -m benchmarks $(NAME) $(ARGS)

# Peers of the benchmarks, each with a lock of its own; JoeyNMT's, with torch, takes 5 GB.
define peer_rule
PEER_$(1) := $(CACHE)/venvs/$(1)-$(shell sha256sum benchmarks/$(1)/requirements.lock | cut -c1-16)
.PHONY: venv-$(1)
venv-$(1): | $(UV) ## (the environment of a peer, for benchmarks)
	@test -e $$(PEER_$(1))/.complete || { rm -rf $$(PEER_$(1)); \
	  $(UV) venv --quiet --python 3.11 $$(PEER_$(1)); \
	  VIRTUAL_ENV=$$(PEER_$(1)) $(UV) pip sync --quiet --require-hashes benchmarks/$(1)/requirements.lock; \
	  touch $$(PEER_$(1))/.complete; }
	@echo $$(PEER_$(1))
endef
$(foreach p,$(PEERS),$(eval $(call peer_rule,$(p))))

.PHONY: manifests
manifests: ## print what `kubectl apply -k manifests/overlays/standalone` installs
	@kubectl kustomize manifests/overlays/standalone

.PHONY: docs
docs: $(VENV_crds)/.complete $(VENV_operator)/.complete $(VENV_cli)/.complete ## write the reference pages anew
	PYTHONPATH=crds $(call PY,crds) crds/reference.py > docs/api-reference.md
	PYTHONPATH=crds:operator $(call PY,operator) operator/reasons_table.py > docs/reasons.md
	PYTHONPATH=crds:operator $(call PY,operator) operator/states_table.py > docs/states.md
	PYTHONPATH=crds:operator:cli $(call PY,cli) cli/reference.py > docs/cli.md
	$(call PY,operator) manifests/argocd/render.py > manifests/argocd/component/argocd-cm.yaml

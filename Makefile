# The two commands: `make demo` shows Listener at work, `make test` proves it. Both set themselves up; see setup/.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint docs clean
VENV := .venv
PY := $(VENV)/bin/python
DEMO_SECONDS ?=
# Tests wait for servers and kills more than they compute, so there may be more of them at a time than there are cores.
TEST_WORKERS ?= 4

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

$(VENV)/.runtime: pyproject.toml
	@sh setup/venv.sh $(VENV) .
	@touch $@

$(VENV)/.test: pyproject.toml
	@sh setup/venv.sh $(VENV) '.[test,interop]'
	@touch $@ $(VENV)/.runtime

demo: $(VENV)/.runtime ## watch sample mail become cases on an embedded server (DEMO_SECONDS=20 ends by itself)
	@$(PY) -m listener demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

lint: $(VENV)/.test ## ruff and mypy
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy

test: $(VENV)/.test ## lint, types and every test against the real servers that can be had here
	@sh setup/servers.sh
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest -m 'not long' -n $(TEST_WORKERS) --dist worksteal

test-long: $(VENV)/.test ## the whole grids, fuzzing and soaks
	@sh setup/servers.sh
	@$(PY) -m pytest -m long

docs: $(VENV)/.test ## write the generated pages again
	@$(PY) -m listener.config.docs

clean: ## forget the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

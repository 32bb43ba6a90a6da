# The two commands: `make demo` shows Listener at work, `make test` proves it. Both set themselves up; see setup/.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint docs screenshots clean lock audit sbom site image-check systemd-check
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

# What concerns releases has environments of its own: its tools want other versions of what the product uses.
build/release/.made: pyproject.toml
	@mkdir -p build && sh setup/venv.sh build/release '.[release]'
	@touch $@

build/site-tools/.made: pyproject.toml
	@mkdir -p build && sh setup/venv.sh build/site-tools '.[docs]'
	@touch $@

LOCKING := build/release/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock: build/release/.made ## pin what the image installs, with hashes; with the oldest Python that is supported (EXTRAS="otlp dkim" adds those)
	@$(LOCKING) $(addprefix --extra ,$(EXTRAS)) --output-file requirements.lock pyproject.toml
	@printf '%s\n' 'setuptools>=77' | $(LOCKING) --output-file requirements-build.lock -

audit: build/release/.made ## is a weakness known in what is pinned? fails too where the database cannot be asked
	@build/release/bin/python setup/audit.py build/release/bin/pip-audit requirements.lock requirements-build.lock

sbom: build/release/.made ## write build/sbom.json, a CycloneDX bill of materials of what is pinned
	@build/release/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json requirements.lock
	@echo build/sbom.json

site: build/site-tools/.made ## build the docs as a site in build/site; a broken link fails
	@NO_MKDOCS_2_WARNING=1 build/site-tools/bin/mkdocs build --strict --quiet && echo build/site/index.html

image-check: ## build the image and see it work (needs docker or podman)
	@python3 tests/deploy/image_check.py $(IMAGE)

systemd-check: ## install by the document in a systemd that is booted for it (needs root, debootstrap, systemd-nspawn)
	@tests/systemd/boot.sh

screenshots: $(VENV)/.test ## take the pictures of docs/console.md again
	@sh setup/servers.sh
	@CI=true $(PY) -m pytest tests/console/screenshots.py

clean: ## forget the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache

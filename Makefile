# The commands of this course. `make help` lists them.

export UV_PYTHON_DOWNLOADS := never
V   := .venv
BIN := $(V)/bin

# PY=python3.12 chooses a Python; without it, the first one that fits
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PY   ?= $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c '$(FITS)' 2>/dev/null && echo $$p && exit; done; echo python3)

# An environment made by another Python than the one asked for is made anew
ifneq ($(origin PY),file)
WHICH := -c 'import sys; print(sys.base_prefix, *sys.version_info[:2])'
ifneq ($(shell $(PY) $(WHICH) 2>/dev/null),$(shell $(BIN)/python $(WHICH) 2>/dev/null))
CLEAR := --clear
.PHONY: $(V)/.packages
endif
endif

RESOLVE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'
# Two at a time: files of tests, and notebooks (tests/conftest.py)
SHARED  := -n 2
NORMAL  := --keep-output --keep-count --keep-id --extra-keys 'metadata.language_info.version cell.metadata.execution'

.PHONY: help setup lab test trust browser course book pdf pictures exercises outputs lock check bench pages clean habits links

help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

setup: $(V)/.ready ## Make the environment in .venv, once (PY=python3.12 chooses a Python)

$(V)/.packages: requirements.lock requirements-uv.lock
	@$(PY) -c '$(FITS)' 2>/dev/null || { found=$$($(PY) -V 2>&1) || found='not to be found'; \
	  echo "This course needs Python 3.11, 3.12 or 3.13; $(PY) is $$found. Name one that you have: make PY=python3.12 ..." >&2; exit 1; }
	$(PY) -m venv $(CLEAR) $(V)
	@{ $(BIN)/python -m pip install -q --require-hashes -r requirements-uv.lock \
	    && $(BIN)/uv pip sync -q --require-hashes --python $(BIN)/python requirements.lock requirements-uv.lock; } \
	  || { echo 'uv cannot install here; pip does it instead, which takes some minutes.'; \
	    $(BIN)/python -m pip install -q --require-hashes -r requirements.lock; }
	@# Compiled here, because at the first import Python 3.12 and newer would warn of the SDK's docstrings in a learner's cell
	@$(BIN)/python -W ignore -m compileall -q $(V)/lib/python3*/site-packages/sagemaker $(V)/lib/python3*/site-packages/smdebug_rulesconfig
	@touch $@

$(V)/.ready: $(V)/.packages pyproject.toml
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m ipykernel install --sys-prefix --name sagemaker-course --display-name 'SageMaker course' >/dev/null
	@touch $@

lab: setup ## Learn: the local account and JupyterLab on the first chapter (PORT=8890 NO_BROWSER=1)
	@$(BIN)/course lab $(if $(PORT),--port $(PORT)) $(if $(NO_BROWSER),--no-browser)

test: setup ## Execute every chapter, compare its outputs with the stored ones, and run all tests that are not slow
	$(BIN)/python -m pytest $(SHARED) -m "not slow"

trust: setup ## Run the slow tests: every exercise worked through, long jobs, and all that tries to break the local account
	$(BIN)/python -m pytest $(SHARED) -m slow tests/test_*.py tests/trust

$(V)/.browser: $(V)/.ready requirements-browser.lock
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-browser.lock
	@touch $@

browser: $(V)/.browser pdf ## Look at JupyterLab, the console and the book as people do, in the Chromium of this machine
	$(BIN)/python -m pytest tests/browser

course: setup ## Execute every chapter from an empty account into _runs/, and say what was left behind
	@$(BIN)/course run

habits: setup ## Measure the chapters' cells, lines, words and minutes, and hold them to the bars (WRITE=1 writes the minutes)
	@$(BIN)/python tests/habits.py $(if $(WRITE),--write)

links: setup ## List the addresses on other hosts that chapters and pages name
	@$(BIN)/python tests/pages.py

book: setup ## Build the book from the stored outputs into _build/html, warnings being errors
	$(BIN)/jupyter-book build . -W -n --keep-going && $(BIN)/python book/check_pages.py

pdf: $(V)/.browser book ## Print the built book into one PDF by this machine's Chromium, link it on the front page, refuse what is cut off
	$(BIN)/python book/print.py && $(BIN)/python book/check_pages.py

pictures: $(V)/.browser ## Take the book's pictures anew: run chapter 6, and look at its console in this machine's Chromium
	$(BIN)/python book/pictures.py

exercises: setup ## Derive the exercises of all chapters from their solutions
	@$(BIN)/course exercises

outputs: setup ## Execute the chapters and the solutions in place and store their outputs
	@$(BIN)/course outputs

lock: setup ## Resolve requirements.in into the lock (UPGRADE=1 takes newer versions of what is not pinned)
	$(RESOLVE) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.lock
	$(RESOLVE) $(if $(UPGRADE),--upgrade) requirements-browser.in -c requirements.lock -o requirements-browser.lock

check: setup ## Lint, types, and whether what is derived still agrees with its source
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/nbstripout --verify $(NORMAL) $(wildcard notebooks/*.ipynb notebooks/exercises/*.ipynb)
	@cp requirements.lock $(V)/again.lock; if $(RESOLVE) requirements.in -o $(V)/again.lock; then diff requirements.lock $(V)/again.lock; \
	  else echo 'requirements.in could not be resolved again; is a package index within reach?'; test -z "$$CI"; fi

bench: setup ## Measure the local account on this machine
	@$(BIN)/python tests/bench.py

pages: $(V)/.browser book ## Measure the book: what its pages weigh, how soon they are painted, how long it is built
	@$(BIN)/python tests/bench_pages.py

clean: ## Remove what was built: environment, book, runs, caches; the local account (.account) stays
	rm -rf $(V) _build _runs *.egg-info .pytest_cache .ruff_cache .mypy_cache

# The commands of this course. `make help` lists them.

export UV_PYTHON_DOWNLOADS := never
V   := .venv
BIN := $(V)/bin

# PY=python3.12 asks for a Python: an environment that another one has made is made anew
PY    ?= python3
ASKED := $(if $(filter-out file,$(origin PY)),--with-this-python)

RESOLVE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'
# Two at a time: files of tests, and notebooks (tests/conftest.py)
SHARED  := -n 2
NORMAL  := --keep-output --keep-count --keep-id --extra-keys 'metadata.language_info.version cell.metadata.execution'

.PHONY: help setup lab test trust browser course book slides pdf colab pictures exercises outputs lock check bench first pages clean habits waits links permissions removals

help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

setup: ## Make the environment in .venv, once (PY=python3.12 chooses a Python)
	@$(PY) helpers/environment.py $(ASKED) $(V)

$(V)/.ready: setup ;

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

waits: setup ## Measure how long a class waits here for what takes minutes on AWS, and write it into the book's table
	@PYTHONPATH=. $(BIN)/python tests/bench_waits.py

links: setup ## List the addresses on other hosts that chapters and pages name
	@$(BIN)/python tests/pages.py

book: setup ## Build the book from the stored outputs into _build/html, warnings being errors
	$(BIN)/jupyter-book build . -W -n --keep-going && $(BIN)/python book/check_pages.py

slides: setup ## Make the slides of each part, with notes, from the chapters' key points and figures into _build/slides
	@$(BIN)/python book/slides.py

pdf: $(V)/.browser book ## Print the built book into one PDF by this machine's Chromium, link it on the front page, refuse what is cut off
	$(BIN)/python book/print.py && $(BIN)/python book/check_pages.py

colab: setup ## Write the copies of the notebooks that Google Colab opens into _build/colab; CI puts them on a branch of their own
	@$(BIN)/python book/_ext/colab.py

pictures: $(V)/.browser ## Take the book's pictures anew: run chapter 6, and look at its console in this machine's Chromium
	$(BIN)/python book/pictures.py

exercises: setup ## Derive the exercises of all chapters from their solutions
	@$(BIN)/course exercises

outputs: setup ## Execute the chapters and the solutions in place and store their outputs
	@$(BIN)/course outputs

permissions: setup ## Record what each chapter must be allowed to do on AWS, and which machines it rents
	$(BIN)/python tests/least_privilege.py

removals: setup ## Take each action from the policies and run the chapter, which must show it (WRITE=1 drops what changes nothing)
	@PYTHONPATH=. $(BIN)/python tests/removals.py $(if $(WRITE),--write)

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

first: $(V)/.browser ## Go from a clone to the first finished training job, by uv and by pip alone, and count steps and seconds
	@$(BIN)/python tests/bench_first.py

pages: $(V)/.browser book ## Measure the book: what its pages weigh, how soon they are painted, how long it is built
	@$(BIN)/python tests/bench_pages.py

clean: ## Remove what was built: environment, book, runs, caches; the local account (.account) stays
	rm -rf $(V) _build _runs *.egg-info .pytest_cache .ruff_cache .mypy_cache

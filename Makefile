# From a clean clone, with Python >= 3.11 and make: `make book` builds the site, `make test` runs every check.
# All that is installed goes into .venv, and again only when pyproject.toml or constraints.txt changed.

# The first of these that is new enough; override with `make PYTHON=/path/to/python3.12 book`.
CANDIDATES := python3 python3.11 python3.12 python3.13
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do $$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)

# The tests and `make pdf` open the book in a browser; the first of these that exists, or set GROKBOOK_CHROMIUM.
BROWSERS := chromium chromium-browser google-chrome
GROKBOOK_CHROMIUM ?= $(shell for b in $(BROWSERS); do command -v $$b && break; done)

# Tests run in this many processes, one thread each.
JOBS ?= 2

BIN := .venv/bin
# Compiling every one of 12,000 modules while installing takes longer than all the rest of it. Python compiles
# the few it imports, once, unless it is told to keep nothing.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE
# By path, not by setuptools' import hook: beside a folder of the same name, the clone seen from the folder around
# it, the hook would come too late and `import grokbook` find an empty package.
EDITABLE := --no-build-isolation --config-settings editable_mode=compat -e
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book lab pdf workshop test bench browser lint format pair lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: .venv/installed-book  ## Execute the notebooks and build the site; prints the path of index.html
	@$(BIN)/python -m grokbook book

# Options of JupyterLab: `make lab LAB="--no-browser --port 8890"`. GROKBOOK_STORE and the like reach the notebooks.
# It looks up neither updates nor extensions.
LAB ?=
lab: .venv/installed-book  ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly $(LAB)

pdf: browser .venv/installed-test  ## Print the whole book into one PDF; needs Chromium
	@GROKBOOK_CHROMIUM="$(GROKBOOK_CHROMIUM)" $(BIN)/python -m grokbook.book.pdf

workshop: .venv/installed-book  ## Pack book, notebooks, runs and the list of wheels into one archive for a room without network
	@$(BIN)/python -m grokbook.book.archive

test: browser lint  ## Run linters, type checker and tests; needs Chromium
	GROKBOOK_CHROMIUM="$(GROKBOOK_CHROMIUM)" OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup

# What to measure: `make bench BENCH="--rounds 9"`, `make bench BENCH=--scaling`, `make bench BENCH=--help`.
BENCH ?=
bench: .venv/bench/installed  ## Measure the speed of training beside plain PyTorch and TransformerLens
	@.venv/bench/bin/python -m benchmarks.bench --strict $(BENCH)

# .pre-commit-config.yaml has the same commands.
lint: .venv/installed-test  ## Run linters and type checker only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/book.yml .github/workflows/tests.yml
	$(BIN)/zizmor --quiet --offline .github

format: .venv/installed-test  ## Sort imports, fix what can be fixed, format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pair: .venv/installed-book  ## Write notebooks/*.ipynb anew from their .md sources
	$(BIN)/python -m grokbook.book.pair

# Resolved in an environment of its own, so that nothing installed by hand gets in. The local part of torch's
# version (+cpu, +cu…) is dropped, and the CUDA wheels are left to torch, which pins them itself.
lock: .venv/created  ## Resolve pyproject.toml afresh and rewrite both constraints.txt
	$(BIN)/python -m venv --clear .venv/lock
	.venv/lock/bin/python -m pip install --quiet -e '.[book,jupyter,test]' torch==$$(sed -n 's/^torch==//p' constraints.txt)
	{ sed '/^[^#]/d' constraints.txt; \
	  .venv/lock/bin/python -m pip freeze --all --exclude-editable \
	  | grep -Ev '^(pip|triton|nvidia-|cuda-)' | sed 's/+.*//' | LC_ALL=C sort -f; } > constraints.new
	mv constraints.new constraints.txt
	$(BIN)/python -m venv --clear .venv/lock
	.venv/lock/bin/python -m pip install --quiet -c constraints.txt -e '.[bench]'
	{ sed '/^[^#]/d' benchmarks/constraints.txt; \
	  .venv/lock/bin/python -m pip freeze --all --exclude-editable \
	  | grep -Ev '^(pip|triton|nvidia-|cuda-)' | sed 's/+.*//' | LC_ALL=C sort -f \
	  | grep -Fxv -f constraints.txt; } > constraints.new
	mv constraints.new benchmarks/constraints.txt
	rm -rf .venv/lock

clean:  ## Remove the environment, caches and everything built
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf book/_build book/notebooks/*.ipynb

browser:
	@test -x "$$(command -v '$(GROKBOOK_CHROMIUM)')" || { \
	  echo "This opens the book in Chromium, and found none of: $(BROWSERS)." >&2; \
	  echo "Install one (Debian: apt-get install chromium) or set GROKBOOK_CHROMIUM to its path." >&2; exit 1; }

.venv/created:
	@test -n "$(PYTHON)" || { \
	  echo "grokbook needs Python 3.11 or newer, and found none of: $(CANDIDATES)." >&2; \
	  echo "Name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { \
	  echo "grokbook needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear .venv
	@touch $@

# setuptools comes first and pinned, so that building the package downloads nothing that is not.
.venv/installed-book: $(REQUIREMENTS) | .venv/created
	@echo "Installing what the book needs into .venv (1 to 3 minutes, about 2 GB)"
	@$(INSTALL) setuptools
	@$(INSTALL) $(EDITABLE) '.[book,jupyter]'
	@touch $@

.venv/installed-test: .venv/installed-book
	@echo "Installing what the tests need into .venv"
	@$(INSTALL) $(EDITABLE) '.[book,jupyter,test]'
	@touch $@

# transformer-lens brings a hundred packages along that nothing else here needs: an environment of its own.
PIP_BENCH := .venv/bench/bin/python -m pip --disable-pip-version-check --quiet install --no-compile \
  -c constraints.txt -c benchmarks/constraints.txt
.venv/bench/installed: $(REQUIREMENTS) benchmarks/constraints.txt | .venv/created
	@echo "Installing what the benchmark needs into .venv/bench"
	@$(BIN)/python -m venv --clear .venv/bench
	@$(PIP_BENCH) setuptools
	@$(PIP_BENCH) --no-build-isolation -e '.[bench]'
	@.venv/bench/bin/python -c 'import transformer_lens'
	@touch $@

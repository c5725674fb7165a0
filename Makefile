# Every command works from a fresh clone with nothing but Python 3.11 or newer:
#   make demo    train a classifier, certify it, have every certificate re-checked
#   make test    run the tests
# Each sets up .venv first, and again when pyproject.toml changes.
# Another interpreter, another place:  make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.DELETE_ON_ERROR:
.PHONY: demo test smoke lint types docs notebooks coverage coverage-check trust \
        trust-check prove bench wheel format clean

demo: $(VENV)/installed-zoo
	rm -rf build/certificates
	mkdir -p build
	$(VENV)/bin/torchlean verify digits --model mlp --train certified --eps 0.02 \
	    --method crown --certificates build/certificates --plot build/digits.png
	$(VENV)/bin/torchlean-check --quiet build/certificates/*.tlc

# In two processes, each with a few GiB of compiled programs. A file stays in one, where its
# tests share them. A process that dies is not started again: what it died of would be.
test: $(VENV)/installed-dev
	$(RUN) -m pytest --numprocesses 2 --dist loadfile --max-worker-restart 0

# The part of the suite that is repeated on the newest Python and JAX.
smoke: $(VENV)/installed-dev
	$(RUN) -m pytest -m smoke

lint: $(VENV)/installed-dev
	$(RUN) -m ruff check --output-format concise .
	$(RUN) -m ruff format --check .

format: $(VENV)/installed-dev
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

types: $(VENV)/installed-dev
	$(RUN) -m pyright --pythonpath $(RUN)

docs: $(VENV)/installed-docs
	$(RUN) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

notebooks: $(VENV)/installed-docs $(VENV)/installed-zoo
	$(RUN) scripts/run_notebooks.py

# docs/coverage.md: primitive by domain, generated from the rule tables.
coverage: $(VENV)/installed-dev
	mkdir -p build
	$(VENV)/bin/torchlean coverage > build/coverage.md
	mv build/coverage.md docs/coverage.md

coverage-check: $(VENV)/installed-dev
	$(VENV)/bin/torchlean coverage --check docs/coverage.md

# docs/trust.md: what claims lean on, generated; each check that it names exists.
trust: $(VENV)/installed-dev
	$(RUN) scripts/trust.py --write

trust-check: $(VENV)/installed-dev
	$(RUN) scripts/trust.py --check

# proofs/: built by Coq, checked again by coqchk, its axioms compared with those that are
# allowed. Installs nothing: says which packages are missing and what is skipped for it
# (Debian: coq libcoq-bignums libcoq-interval libcoq-flocq; and ocaml-nox ocaml-findlib
# libzarith-ocaml-dev for `torchlean certificate coq --extracted`).
prove: $(VENV)/installed-dev
	$(RUN) scripts/prove.py

# Peers are installed by whoever runs this; each script names the ones it wants.
bench: $(VENV)/installed-dev
	set -e; for script in $(wildcard benchmarks/[a-z]*.py); do $(RUN) $$script; done

wheel: $(VENV)/installed-dev
	$(RUN) -m build --no-isolation --outdir dist

clean:
	rm -rf build dist

# One stamp for each extra, redone when pyproject.toml changes.
$(VENV)/installed-%: pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.[$*]'
	touch $@

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

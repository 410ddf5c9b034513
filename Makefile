# Two commands do all the set-up on a fresh machine: `make run` and `make test`.
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
# Another Python has an environment of its own: make quick PYTHON=python3.13 VENV=.venv-3.13
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready assets/hcl.msgpack
# Bytecode is what makes the console start fast; a shell that forbids it would cost 40 % at every start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test quick check faults unprivileged mutants bench drill snapshots pictures lock dist clean

run: $(READY)
	@$(BIN)/cowhand $(ARGS)

# Half of the tests wait for daemons, terminals or links most of their time: more workers than cores.
test: $(READY) check
	$(BIN)/python -m pytest -n 4 --dist loadgroup $(ARGS)

# What is pure or small. Left to make test: scripts of hosts, attacks, screens, whole runs of flows, and the lab's stand-ins.
quick: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m 'not slow' --ignore=tests/assets --ignore=tests/attacks \
	  --ignore=tests/console/flows --ignore=tests/console/lab --ignore=tests/console/mend --ignore=tests/screens $(ARGS)

# Every trouble at every change of every flow: of a long flow, make test tries two to four changes a trouble.
faults: $(READY)
	COWHAND_WHOLE_TABLE=1 $(BIN)/python -m pytest -n 2 --dist loadgroup tests/console/flows/test_faults.py \
	  tests/reallab/test_stack_certificates.py $(ARGS)

# What needs no root must not lean on it: root may write where a right is lacking, and never notice. Of the long tables of
# faults one flow's is enough for that: the ledger's, which has every kind of change.
unprivileged: $(READY)
	tests/unprivileged $(BIN)/python -m pytest -n 2 --dist loadgroup -p no:cacheprovider tests/console/flows tests/console/runner \
	  -k "ledger or not (test_faults or never_comes_back)" $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -p no:cacheprovider -k longer tests/console/test_walls.py

mutants: $(READY)
	$(BIN)/python -m tests.mutants $(ARGS)

bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

# How well every recorded fault of the real daemons is told: right, among a few, the hop alone, nothing, false.
drill: $(READY)
	@$(BIN)/python -m tests.drill.score $(ARGS)

snapshots: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/screens --snapshot-update $(ARGS)

# What the README shows: the real screens on the lab. A test says when they are out of date.
pictures: $(VENV)/ready
	$(BIN)/python -m tests.pictures

lock:
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 \
	  --group dev pyproject.toml -o requirements.lock $(ARGS)

$(VENV)/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "cowhand needs Python 3.11 or later; none was found on PATH" >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) cannot make environments: sudo apt install python3-venv (Debian, Ubuntu)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	$(BIN)/python -m compileall -q console screens assets
	@touch $@

# Compiling the grammar of HCL takes seconds: it is compiled once, and again when it has changed.
assets/hcl.msgpack: console/sources/opentofu/grammar.py $(VENV)/ready
	$(BIN)/python -m console.estate.tables

# A wheel for pipx and uv, and one file for this platform and this Python, to be copied to a machine that has nothing but
# Python. PEX and not shiv: it takes the versions of the lock as they are, and checks the Python that starts it.
# Versions are those of the lock; the file unpacks itself once, so that it starts as fast as the checkout.
dist: $(READY)
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@test -x .venv-dist/bin/pex || { $(PYTHON) -m venv .venv-dist && .venv-dist/bin/python -m pip install --quiet pex==2.105.2; }
	sed -n 's/^\([A-Za-z0-9._-]*==[^ ;\\]*\).*/\1/p' requirements.lock > build/versions.txt
	.venv-dist/bin/pex dist/*.whl --console-script cowhand --venv prepend --compile --constraints build/versions.txt \
	  --preamble-file assets/preamble.py --python $(BIN)/python --output-file dist/cowhand.pyz
	rm -rf build

clean:
	rm -rf .venv .venv-* .mutants assets/hcl.msgpack build dist

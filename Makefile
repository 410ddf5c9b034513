# Two commands do all the set-up on a fresh machine: `make run` and `make test`.
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
BIN := .venv/bin
# Bytecode is what makes the console start fast; a shell that forbids it would cost 40 % at every start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test quick check mutants bench snapshots lock clean

run: .venv/ready
	@$(BIN)/cowhand $(ARGS)

test: .venv/ready check
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

quick: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not slow' $(ARGS)

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: .venv/ready
	$(BIN)/python -m tests.mutants $(ARGS)

bench: .venv/ready
	$(BIN)/python -m tests.bench $(ARGS)

snapshots: .venv/ready
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/screens --snapshot-update $(ARGS)

lock:
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --no-emit-index-url --no-annotate --python-version 3.11 \
	  --group dev pyproject.toml -o requirements.lock $(ARGS)

.venv/ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "cowhand needs Python 3.11 or later; none was found on PATH" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	$(BIN)/python -m compileall -q console screens assets
	@touch $@

clean:
	rm -rf .venv .mutants

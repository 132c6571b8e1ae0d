# Two commands are all that most people need: `make run` and `make test`. Both set up what is missing.
PYTHON ?= python3
BIN := .venv/bin
SETUP := @$(PYTHON) -I studio/bootstrap.py
BABEL := PYTHONPATH=. $(BIN)/pybabel -q
.DEFAULT_GOAL := help
.PHONY: help setup run voices test s3 check nightly drill bench lock format clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what running needs (may be repeated at no cost)
	$(SETUP) run

run: setup ## Open the studio with demo content: web, workers, scheduler; Ctrl-C stops everything
	@$(BIN)/python -m studio up --demo

voices: setup ## Install the local voice (espeak-ng, GPL-3); later runs keep it
	$(SETUP) voices

test: ## Run the whole suite
	$(SETUP) dev
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

s3: ## Test the storage against a real S3-compatible server, in an environment of its own
	$(SETUP) dev
	@$(PYTHON) -m venv var/s3 && var/s3/bin/pip install --quiet --require-hashes -r requirements/s3.lock
	@STUDIO_TEST_S3_SERVER=var/s3/bin/moto_server $(BIN)/python -m pytest -n 0 tests/media/test_bucket.py $(ARGS)

check: ## Lint, format, types, import contracts, dependencies
	$(SETUP) dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/deptry .

nightly: ## Play 2,000 lives of 50 steps against the ledger, and against review, with threads (hours)
	$(SETUP) dev
	@STUDIO_NIGHTLY_RUNS=2000 $(BIN)/python -m pytest -n auto --dist loadfile tests/architecture/test_benchmarks_run.py tests/market/money/test_machine.py tests/market/test_machine.py $(ARGS)

drill: ## Play 10,000 jobs while workers, queue, database and disk fail, beside plain RQ (some minutes)
	$(SETUP) dev
	@$(BIN)/python -m tests.drill $(ARGS)

bench: ## Measure against stock Flask-Admin, Django and plain RQ; writes var/bench/results.json
	$(SETUP) bench
	@$(BIN)/python -m tests.benchmarks $(ARGS)

lock: ## Pin what pyproject.toml asks for
	$(SETUP) lock

format: ## Bring the code into its one format, and the catalogue of translations up to date
	$(SETUP) dev
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .
	@mkdir -p var && $(BABEL) extract -F babel.cfg -k _l -k lazy_gettext --no-location --sort-output -o var/messages.pot .
	@$(BABEL) update -i var/messages.pot -d studio/translations -l zh_Hans -N --ignore-obsolete --ignore-pot-creation-date -w 118

clean: ## Remove what was built (never the data under var/)
	@rm -rf .venv node_modules studio/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

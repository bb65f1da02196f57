# Everything runs from here; the first target that needs it makes the environment.
COMPETITION = digits
PYTHON = python3
HARNESS = .venv/bin/python -m harness
WHO = $(if $(WORKERS),--workers $(WORKERS)) $(if $(CLUSTER),--cluster $(CLUSTER))
OPTIONS = --competition $(COMPETITION) $(if $(RUNS),--runs $(RUNS)) $(WHO) $(if $(ISOLATION),--require-isolation $(ISOLATION))

.PHONY: evaluate check new competition reference leaderboard report repair test lint lock ablation bench bench-gpu clean

evaluate: .venv/installed
	@$(HARNESS) evaluate $(OPTIONS) $(SUBMISSION)

check: .venv/installed
	@$(HARNESS) check --competition $(COMPETITION) $(SUBMISSION)

new: .venv/installed
	@$(HARNESS) new $(NAME)

competition: .venv/installed
	@$(HARNESS) competition $(NAME) $(DATA)

reference: .venv/installed
	@$(HARNESS) reference --competition $(COMPETITION) $(if $(RUNS),--runs $(RUNS)) $(WHO) $(if $(DRY_RUN),--dry-run)

leaderboard: .venv/installed
	@$(HARNESS) leaderboard --competition $(COMPETITION)

report: .venv/installed
	@$(HARNESS) report --competition $(COMPETITION)

repair: COMPETITION = digits_repair
repair: .venv/installed
	@$(HARNESS) repair --competition $(COMPETITION)

test: .venv/installed
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# The versions of this environment, which the tests ran with, and the sums of their files.
lock: .venv/installed
	.venv/bin/python -m pip freeze --exclude-editable > .venv/tested.txt
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraint .venv/tested.txt --output-file requirements.lock pyproject.toml

ablation: .venv/installed
	.venv/bin/python -m tests.benchmarks.ablation $(RUNS)

bench: .venv/installed
	.venv/bin/python -m tests.benchmarks

bench-gpu: .venv/installed
	.venv/bin/python -m tests.benchmarks.gpu

clean:
	rm -rf .venv build *.egg-info results reference/cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,participants]'
	touch $@

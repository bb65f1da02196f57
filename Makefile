# Everything runs from here; the first target that needs it makes the environment.
COMPETITION = digits
PYTHON = python3
HARNESS = .venv/bin/python -m harness
OPTIONS = --competition $(COMPETITION) $(if $(RUNS),--runs $(RUNS)) $(if $(ISOLATION),--require-isolation $(ISOLATION))

.PHONY: evaluate check new reference leaderboard report repair test lint ablation bench clean

evaluate: .venv/installed
	@$(HARNESS) evaluate $(OPTIONS) $(SUBMISSION)

check: .venv/installed
	@$(HARNESS) check --competition $(COMPETITION) $(SUBMISSION)

new: .venv/installed
	@$(HARNESS) new $(NAME)

reference: .venv/installed
	@$(HARNESS) reference --competition $(COMPETITION) $(if $(RUNS),--runs $(RUNS))

leaderboard: .venv/installed
	@$(HARNESS) leaderboard --competition $(COMPETITION)

report: .venv/installed
	@$(HARNESS) report --competition $(COMPETITION)

repair: COMPETITION = digits_repair
repair: .venv/installed
	@$(HARNESS) repair --competition $(COMPETITION)

test: .venv/installed
	.venv/bin/python -m pytest

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

ablation: .venv/installed
	.venv/bin/python -m tests.benchmarks.ablation $(RUNS)

bench: .venv/installed
	.venv/bin/python -m tests.benchmarks

clean:
	rm -rf .venv build *.egg-info results reference/cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,participants]'
	touch $@

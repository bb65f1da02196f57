# Everything runs from here; the first target that needs it makes the environment.
COMPETITION = digits
PYTHON = python3
HARNESS = .venv/bin/python -m harness
# One argument of a recipe, whatever characters it has; nothing if the variable is empty.
quoted = $(if $($(1)),'$(subst ','\'',$($(1)))')
option = $(if $($(2)),$(1) $(call quoted,$(2)))
WHO = $(call option,--workers,WORKERS) $(call option,--cluster,CLUSTER)
IN = $(call option,--competition,COMPETITION)

.DEFAULT_GOAL = help
.PHONY: help evaluate check new competition teams private remove archive reference leaderboard \
	report repair test lint lock docs mutants ablation bench bench-gpu clean

help: ## list the targets
	@echo 'make TARGET [NAME=value]...'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; \
		do printf '  %-12s %s\n' "$$target" "$$what"; done
	@echo 'Values: SUBMISSION=path.py, COMPETITION=name or path.toml (digits), RUNS=64, WORKERS=4,'
	@echo 'CLUSTER=tcp://host:8786, ISOLATION=full, FROM=method, RESCORE=1 (run nothing, score again).'
	@echo 'Paths with spaces take quotes: SUBMISSION="my file.py"'

evaluate: .venv/installed ## run and score SUBMISSION, or every file in submissions/, and rank them
	@$(HARNESS) evaluate $(IN) $(call option,--runs,RUNS) $(WHO) \
		$(call option,--require-isolation,ISOLATION) $(if $(RESCORE),--rescore) $(call quoted,SUBMISSION)

check: need-SUBMISSION .venv/installed ## run SUBMISSION a few times: is it accepted, where would it stand?
	@$(HARNESS) check $(IN) $(call quoted,SUBMISSION)

new: need-NAME .venv/installed ## start submissions/NAME.py from the template, or FROM=method
	@$(HARNESS) new $(call option,--from,FROM) $(call quoted,NAME)

competition: need-NAME need-DATA .venv/installed ## start reference/NAME.toml from the images in DATA
	@$(HARNESS) competition $(call quoted,NAME) $(call quoted,DATA)

teams: .venv/installed ## run what is new in INBOX (inbox/), and print the board of teams
	@$(HARNESS) teams $(IN) $(call option,--runs,RUNS) $(WHO) \
		$(call option,--require-isolation,ISOLATION) $(call option,--inbox,INBOX)

private: .venv/installed ## write a private twin, whose board is made after the end
	@$(HARNESS) private $(IN)

remove: need-NAME .venv/installed ## take the row NAME off the board, with its runs
	@$(HARNESS) remove $(IN) $(call quoted,NAME)

archive: .venv/installed ## pack TOML, boards, page and outputs into results/COMPETITION.zip
	@$(HARNESS) archive $(IN)

reference: .venv/installed ## train what submissions are compared with
	@$(HARNESS) reference $(IN) $(call option,--runs,RUNS) $(WHO) $(if $(DRY_RUN),--dry-run)

leaderboard: .venv/installed ## print the leaderboard as it stands
	@$(HARNESS) leaderboard $(IN)

report: .venv/installed ## draw the results as a page for a browser; ALL=1 compares competitions
	@$(HARNESS) report $(if $(ALL),--all,$(IN))

repair: COMPETITION = digits_repair
repair: .venv/installed ## run the repair track: who finds the examples that make a model fail?
	@$(HARNESS) repair $(IN)

test: .venv/installed ## run the tests
	.venv/bin/python -m pytest --numprocesses 2 --dist loadfile

mutants: .venv/installed ## change scoring one line at a time: do the tests notice? MUTANTS='*_*4': a tenth
	OMP_NUM_THREADS=1 .venv/bin/python -m mutmut run $(call quoted,MUTANTS)
	@.venv/bin/python -m mutmut results | grep -v 'not checked'

lint: .venv/installed ## check style and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# The versions of this environment, with which the tests ran, and the checksums of their files.
lock: .venv/installed ## pin the versions of this environment
	.venv/bin/python -m pip freeze --exclude-editable > .venv/tested.txt
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras \
		--generate-hashes --no-header --no-annotate --no-emit-index-url \
		--constraint .venv/tested.txt --output-file requirements.lock pyproject.toml

docs: .venv/installed ## write the pages of the Python interface to build/api
	.venv/bin/python -m pdoc --docformat numpy --output-directory build/api harness.evaluation \
		harness.epsilon harness.scoring harness.metrics harness.competition harness.testing

ablation: .venv/installed ## measure the parts of the challenge's 8th-placed method, one by one
	.venv/bin/python -m tests.benchmarks.ablation $(call quoted,COMPETITION) $(RUNS)

bench: .venv/installed ## measure what BENCHMARKS.md shows
	.venv/bin/python -m tests.benchmarks

bench-gpu: .venv/installed ## measure the same on a GPU
	.venv/bin/python -m tests.benchmarks.gpu

clean: ## remove the environment, the results and the cache
	rm -rf .venv build mutants *.egg-info results reference/cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Says what is missing in make's own terms, before anything is installed.
need-%:
	@$(if $($*),:,echo 'make $(MAKECMDGOALS) needs $*=..., see make help' >&2; exit 2)

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,participants]'
	touch $@

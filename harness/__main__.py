"""The command line: a thin layer over `harness.evaluate`."""

from __future__ import annotations

import sys

# With `-m` the current folder comes first: a submission there, which may be called cuda.py or
# random.py, would be imported by whatever looks for such a module, outside of any sandbox.
if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.pop(0)

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from harness import streams
from harness.arguments import parser
from harness.running import run, say
from harness.text import quoted

SUBMISSIONS = Path("submissions")
HOST_FAULT = 2
INTERRUPTED, NO_READER = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0 if it did what it was asked for; 1 if a submission that was named got a verdict;
        2 if the command, the competition or the machine is at fault; 130 if it was interrupted;
        141 if nobody reads its output any more. The last two are what a shell uses.
    """
    streams.mend()
    options = parser().parse_args(arguments)
    if not sys.stderr.isatty():  # a log keeps each state of a progress bar
        os.environ.setdefault("TQDM_MININTERVAL", "30")
    from harness.competition import CompetitionError
    from harness.sandbox.host import SandboxError
    from harness.store import StoreError

    try:
        code = COMMANDS[options.verb](options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python flushes stdout at exit; send what is left nowhere, so that it does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except (CompetitionError, SandboxError, StoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return HOST_FAULT
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was finished is kept; the same command continues from there.",
            file=sys.stderr,
        )
        return INTERRUPTED


def _evaluate(options: argparse.Namespace) -> int:
    from harness import names

    out = sys.stderr if options.json else sys.stdout
    if options.rescore:
        from harness.rescoring import rescore

        rescore(options.competition, options.runs, options.paths, lambda row: say(row, out))
        return _show(options, out)
    named = bool(options.paths)
    paths = options.paths or names.find(SUBMISSIONS)
    if not paths:
        print(
            f"error: there is no .py or .ipynb file in {SUBMISSIONS}/; name one, or start one: "
            f"{_command('new NAME=mine', 'new mine')}",
            file=sys.stderr,
        )
        return HOST_FAULT
    names.check(paths)  # before importing torch, so that a typo is answered at once
    failed = run(options, paths, retry=named, out=out)
    _show(options, out)
    return 1 if named and failed else 0


def _show(options: argparse.Namespace, out: TextIO) -> int:
    """Print the leaderboard, and draw the report if it does not show that yet."""
    print(file=out)
    _leaderboard(options)
    try:
        page = _drawn(options, again=False)
    except Exception as error:  # the results stand, whatever is wrong with the report
        print(f"warning: there is no new report: {error}", file=sys.stderr)
    else:
        print(page, file=out)
    return 0


def _check(options: argparse.Namespace) -> int:
    from harness.names import must_exist
    from harness.sandbox.host import Process
    from harness.submission import Verdict

    must_exist(options.path)
    warnings = 0
    try:
        with Process() as process:  # started first, so that it imports torch while we do
            from harness.check import check

            for finding in check(options.path, options.competition, process):
                warnings += finding.warns
                print(finding, flush=True)
    except Verdict as verdict:
        print(f"{quoted(verdict.output)}{quoted(verdict.message)}", end="")
        print(f"{options.path}: not accepted, {verdict.status}")
        return 1
    many = f"{warnings} warning{'s' * (warnings > 1)}"
    print(f"{options.path}: accepted{f', with {many}' if warnings else ''}")
    return 0


def _reference(options: argparse.Namespace) -> int:
    from harness import competition
    from harness.reference.cost import dry_run
    from harness.reference.pools import prepare
    from harness.workers import Workers

    settings = competition.load(options.competition, options.runs)
    if options.dry_run:
        for line in dry_run(settings):
            print(line, flush=True)
        return 0
    print(prepare(settings, workers=Workers(options.workers, options.cluster)).folder)
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    import pandas as pd

    from harness import competition, leaderboard, terminal

    path = leaderboard.results_folder(options.competition) / "leaderboard.csv"
    if not path.exists():
        competition.find(options.competition)
        print(f"error: there is no {path} yet: evaluate something first", file=sys.stderr)
        return HOST_FAULT
    if is_repair := competition.is_repair(options.competition):
        frame = pd.read_csv(path)
    else:
        frame = leaderboard.read(path)
    if options.json:
        print(frame.to_json(orient="records", indent=1))
    elif is_repair:
        from harness.repair.leaderboard import table

        print(f"{table(frame)}\n\n{path}")
    else:
        width, _ = shutil.get_terminal_size((terminal.WIDE, 0))
        print(f"{terminal.table(frame, width)}\n\n{path}")
    return 0


def _repair(options: argparse.Namespace) -> int:
    from harness.repair import evaluation, leaderboard

    frame = evaluation.repair(options.competition)
    print(leaderboard.table(frame))
    for row in frame[frame["status"] != "scored"].itertuples():
        print(
            f"\n{row.identifier} {row.treatment}: {row.status}\n{quoted(str(row.message))}", end=""
        )
    return 0


def _new(options: argparse.Namespace) -> int:
    from harness.starting import start

    path = start(options.name, options.method, SUBMISSIONS)
    print(f"{path}: change it, then {_command(f'check SUBMISSION={path}', f'check {path}')}")
    return 0


def _command(make: str, verb: str) -> str:
    """What to type next: with make if our Makefile is here, else the installed command."""
    return f"make {make}" if Path("Makefile").is_file() else f"harness {verb}"


def _competition(options: argparse.Namespace) -> int:
    from harness.hosting import create

    for line in create(options.name, options.folder):
        print(line, flush=True)
    evaluate = (f"evaluate {way}{options.name}" for way in ("COMPETITION=", "--competition "))
    print(f"next: look at that file, then {_command(*evaluate)}")
    return 0


def _teams(options: argparse.Namespace) -> int:
    from harness import competition, teams

    settings = competition.load(options.competition, options.runs)
    ledger = teams.collect(settings, options.inbox)
    if paths := teams.to_evaluate(ledger, settings):
        run(options, paths, retry=False, out=sys.stdout)
        print(f"\n{teams.publish(ledger, settings)}")
        print(_drawn(options, again=False))
    for line in teams.refused(ledger, settings):
        print(line)
    if not paths:
        print(f"nothing to evaluate in {options.inbox}: each team has a folder there for its files")
    return 0


def _upkeep(options: argparse.Namespace) -> int:
    from harness import twin, upkeep

    verbs = {"private": twin.create, "remove": upkeep.remove, "archive": upkeep.archive}
    name = [options.name] if options.verb == "remove" else []
    for line in verbs[options.verb](options.competition, *name):  # type: ignore[operator]
        print(line)
    return 0


def _score(options: argparse.Namespace) -> int:
    paths = (options.unlearned, options.retrained, options.second)
    try:
        row = _scored(*paths, options.competition)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return HOST_FAULT
    if options.json:
        print(json.dumps(row, indent=1))
        return 0
    explanations = row.pop("explanations")
    for name, value in row.items():
        print(f"{name:40}{value if isinstance(value, str) else format(value, '.6g')}".rstrip())
    for name, explanation in explanations.items():
        print(f"flag {name}: {explanation}")
    return 0


def _scored(
    unlearned: Path, retrained: Path | None, second: Path | None, competition: str | None
) -> dict:
    given = [path for path in (unlearned, retrained, second) if path is not None]
    if len(given) == 2:
        raise ValueError("RETRAINED and --second go together: pass both, or a competition alone")
    if competition is not None:
        from harness import state_dicts

        return state_dicts.score(unlearned, retrained, second, competition)
    if len(given) == 1 or any(path.is_dir() for path in given):
        raise ValueError(
            "--competition is missing: whose architecture the models of a folder have, and whose "
            "reference they are compared with where no other is given"
        )
    from harness import external

    ours, theirs, others = map(external.read, given)
    return external.score(ours, theirs, others, n_jobs=-1)


def _report(options: argparse.Namespace) -> int:
    if options.all:
        from harness.leaderboard import RESULTS
        from harness.report.comparison import compare

        print(compare(RESULTS))
    else:
        print(_drawn(options, again=True))
    return 0


def _drawn(options: argparse.Namespace, *, again: bool) -> Path:
    """The report. If it shows the current leaderboard, it is only drawn `again` if asked."""
    from harness import competition, leaderboard, report

    folder = leaderboard.results_folder(options.competition)
    if not again and report.is_current(folder):
        return folder / report.PAGE
    return report.write(competition.load(options.competition), folder)


COMMANDS = {
    "evaluate": _evaluate,
    "check": _check,
    "reference": _reference,
    "leaderboard": _leaderboard,
    "score": _score,
    "report": _report,
    "repair": _repair,
    "new": _new,
    "competition": _competition,
    "teams": _teams,
    "private": _upkeep,
    "remove": _upkeep,
    "archive": _upkeep,
}


if __name__ == "__main__":
    sys.exit(main())

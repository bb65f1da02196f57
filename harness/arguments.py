"""What the command line understands."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import shtab

from harness import __version__

_JSON = "print the leaderboard as JSON, one object per row, and nothing else to stdout"
_COMPETITION = "a name in reference/, or a TOML file (default: digits)"


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `verb` is what to do."""
    whole = argparse.ArgumentParser(
        prog="harness",
        description="Evaluate machine unlearning: run, score and rank submissions.",
        epilog="example: python -m harness evaluate. A verb's own help: harness VERB --help. Exit "
        "codes: 0 done, 1 a submission that was named got a verdict, 2 the command, competition or "
        "machine is at fault, 130 interrupted.",
    )
    whole.add_argument("--version", action="version", version=f"harness {__version__}")
    verbs = whole.add_subparsers(required=True, dest="verb", metavar="VERB")

    evaluate = verbs.add_parser(
        "evaluate",
        help="run and score submissions, and print the leaderboard",
        description="Run and score submissions, and print the leaderboard. "
        "Files that are unchanged since they were scored are not run again.",
        epilog="example: python -m harness evaluate submissions/mine.py --runs 64",
    )
    evaluate.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="submitted .py or .ipynb files (default: all in submissions/)",
    )
    _common(evaluate)
    _walls(evaluate)
    evaluate.add_argument(
        "--rescore",
        action="store_true",
        help="run nothing: compute the rows of FILE, or all, again from their stored outputs",
    )
    evaluate.add_argument("--json", action="store_true", help=_JSON)

    check = verbs.add_parser(
        "check",
        help="run a submission a few times: is it accepted, and where would it stand?",
        description="Run a submission a few times, and say whether it is accepted, what looks "
        "wrong, and where it would stand.",
        epilog="example: python -m harness check submissions/mine.py",
    )
    check.add_argument("path", type=Path, metavar="FILE", help="a submitted .py or .ipynb file")
    check.add_argument("--competition", default="digits", help=_COMPETITION)

    reference = verbs.add_parser(
        "reference",
        help="train the original model and the retrained pools, where they are not cached",
        description="Train the original model and the retrained pools, where they are not cached.",
        epilog="example: python -m harness reference --competition digits",
    )
    _common(reference)
    reference.add_argument(
        "--dry-run", action="store_true", help="only say what all of it would cost here"
    )

    leaderboard = verbs.add_parser(
        "leaderboard",
        help="print the leaderboard as it stands",
        description="Print the leaderboard as it stands.",
        epilog="example: python -m harness leaderboard",
    )
    leaderboard.add_argument("--competition", default="digits", help=_COMPETITION)
    leaderboard.add_argument("--json", action="store_true", help=_JSON)

    score = verbs.add_parser(
        "score",
        help="score models that were made elsewhere, by their outputs or weights",
        description="Score models that were made elsewhere, as docs/bring-your-own.md describes: "
        "by .npz files of their outputs, or by folders of state dicts, one file a model.",
        epilog="example: python -m harness score unlearned.npz retrained.npz --second second.npz; "
        "python -m harness score my_models/ --competition digits",
    )
    score.add_argument(
        "unlearned", type=Path, metavar="UNLEARNED", help="N unlearned models: a file or a folder"
    )
    score.add_argument(
        "retrained",
        type=Path,
        nargs="?",
        metavar="RETRAINED",
        help="models that never saw the forget set (default: the competition's reference)",
    )
    score.add_argument(
        "--second", type=Path, metavar="SECOND", help="N more of those, which set the ceiling"
    )
    score.add_argument(
        "--competition",
        metavar="NAME",
        help="whose examples and architecture the models in folders have, and whose reference",
    )
    score.add_argument("--json", action="store_true", help="print the row as JSON")

    report = verbs.add_parser(
        "report",
        help="draw the results as a page for a browser",
        description="Draw the results as they stand as a page for a browser: report.html, beside "
        "the leaderboard.",
        epilog="example: python -m harness report --competition digits",
    )
    what = report.add_mutually_exclusive_group()
    what.add_argument("--competition", default="digits", help=_COMPETITION)
    what.add_argument(
        "--all",
        action="store_true",
        help="compare all competitions that have a leaderboard: results/report.html",
    )

    repair = verbs.add_parser(
        "repair",
        help="find the examples that make models fail, forget them, and see what that repairs",
        description="Run every file of submissions/identify/ and submissions/repair/ with the "
        "competition's treatments, and print and draw what they repair.",
        epilog="example: python -m harness repair --competition digits_repair",
    )
    repair.add_argument(
        "--competition",
        default="digits_repair",
        help="a name in reference/, or a TOML file (default: digits_repair)",
    )

    new = verbs.add_parser(
        "new",
        help="start a submission: a copy of a shipped method, under your own name",
        description="Start a submission: a copy of a shipped method, under your own name.",
        epilog="example: python -m harness new mine --from stochastic_reinit",
    )
    new.add_argument("name", type=_name, metavar="NAME", help="of its row on the leaderboard")
    new.add_argument(
        "--from",
        dest="method",
        default="template",
        metavar="METHOD",
        help="the shipped method to copy (default: template)",
    )

    competition = verbs.add_parser(
        "competition",
        help="start a competition from a folder of images",
        description="Start a competition from a folder that holds one folder of images per class: "
        "try its splits, write reference/NAME.toml, and estimate what it costs.",
        epilog="example: python -m harness competition mine data/mine",
    )
    competition.add_argument("name", type=_name, metavar="NAME", help="of the competition")
    competition.add_argument("folder", type=Path, metavar="FOLDER", help="of the images")

    teams = verbs.add_parser(
        "teams",
        help="run what teams handed in, and print their board",
        description="Run what is new in the inbox, a folder of one folder per team, by the "
        "competition's rules for teams, and print their board.",
        epilog="example: python -m harness teams --competition course",
    )
    _common(teams)
    _walls(teams)
    teams.add_argument(
        "--inbox",
        type=Path,
        default="inbox",
        metavar="FOLDER",
        help="of the teams (default: inbox)",
    )

    private = verbs.add_parser(
        "private",
        help="write a competition's private twin, with another forget set and other seeds",
        description="Write a competition's private twin: another forget set and other seeds, which "
        "nobody sees before the competition closes.",
        epilog="example: python -m harness private --competition course",
    )
    private.add_argument("--competition", default="digits", help=_COMPETITION)

    remove = verbs.add_parser(
        "remove",
        help="take a submission, its runs and its log off the board",
        description="Take a submission, its runs and its log off the board.",
        epilog="example: python -m harness remove mine",
    )
    remove.add_argument("name", metavar="NAME", help="of its row on the leaderboard")
    remove.add_argument("--competition", default="digits", help=_COMPETITION)

    archive = verbs.add_parser(
        "archive",
        help="pack a competition and its results into one file",
        description="Pack a competition's TOML, boards, page and stored outputs into one zip file, "
        "which can be read elsewhere.",
        epilog="example: python -m harness archive --competition course",
    )
    archive.add_argument("--competition", default="digits", help=_COMPETITION)

    for verb in verbs.choices.values():
        for argument in verb._actions:
            if argument.type is Path or argument.dest == "competition":
                argument.complete = shtab.FILE  # type: ignore[attr-defined]
    shtab.add_argument_to(whole, help="print a script that completes commands in your shell")
    return whole


def _name(text: str) -> str:
    if not re.fullmatch(r"\w[\w-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name: use letters, digits, - and _")
    return text


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--competition", default="digits", help=_COMPETITION)
    parser.add_argument(
        "--runs", type=int, metavar="N", help="models per pool (default: the competition's own)"
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--workers", type=int, metavar="N", help="how many runs at a time (default: one per core)"
    )
    who.add_argument(
        "--cluster", metavar="ADDRESS", help="a dask scheduler, whose workers do the runs instead"
    )


def _walls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-isolation",
        choices=("none", "partial", "full"),
        help="refuse to run under less (default: the competition's own)",
    )

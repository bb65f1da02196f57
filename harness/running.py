"""Evaluates files for the command line, which says a line for each."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from harness.columns import Row
from harness.text import quoted


def run(options: argparse.Namespace, paths: Sequence[Path], retry: bool, out: TextIO) -> int:
    """Evaluate files, print a line for each, and return how many have no score."""
    from harness.sandbox.host import Process

    # Started first, so that it imports torch while we do.
    with contextlib.nullcontext() if options.cluster else Process() as process:
        from harness import evaluation
        from harness.workers import Workers

        rows = evaluation.evaluate_all(
            paths,
            options.competition,
            options.runs,
            options.require_isolation,
            workers=Workers(options.workers, options.cluster),
            retry=retry,
            process=process,
            each=lambda row: say(row, out),
        )
    return sum(row.score is None for row in rows)


def say(row: Row, out: TextIO) -> None:
    """Print a row's score, or why it has none."""
    line = f"{row.score:.4f}" if row.score is not None else f"{row.status}\n{quoted(row.message)}"
    print(f"{row.submission}: {line}", flush=True, file=out)

"""A quick check before 512 runs: would the submission be accepted, and how long does it take?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from joblib import cpu_count

from harness import competition as competitions
from harness import submission as submissions
from harness.competition import Limits
from harness.device import device
from harness.outputs import SPLITS, Observer
from harness.reference.pools import Reference, prepare
from harness.reference.training import AT_ONCE
from harness.runs import seed
from harness.sandbox.host import Process, RunResult, Server, Zygote
from harness.submission import Verdict
from harness.text import quoted
from harness.yardstick import retraining, yardsticks


def check(path: Path, competition: str = "digits", process: Process | None = None) -> Iterator[str]:
    """Run a submission twice, with two seeds, and say what an evaluation of it would find.

    Parameters
    ----------
    path : Path
        The participant's file.
    competition : str
        A name in `reference/`, or the path of a TOML file.
    process : Process, optional
        Started ahead for the runs.

    Yields
    ------
    str
        One finding at a time.

    Raises
    ------
    Verdict
        If the evaluation would give it.
    """
    settings = competitions.load(competition).evaluation
    submission = submissions.read(path, largest_kb=settings.limits.submission_kb)
    runs = settings.runs
    reference = prepare(competitions.load(competition, runs=AT_ONCE))
    limits = reference.competition.evaluation.limits
    where = device().type
    with Zygote(reference.inputs, process=process) as zygote:
        with Server(submission, zygote, limits, device=where) as server:
            yield f"isolation: {server.level} {server.missing}".rstrip()
            results = [server.run(seed(submission.source, run)) for run in range(2)]
        spent = {}
        # An epoch of training that breaks the limits of a run is not the participant's fault.
        with contextlib.suppress(Verdict):
            for epochs, loop in yardsticks(reference).items():
                with Server(loop, zygote, limits, device=where) as server:
                    spent[epochs] = np.array([server.run(0).seconds])
    yield "weights: names, shapes and types match, and all values are finite"
    yield _randomness(*results)
    seconds = retraining(reference.competition.training.epochs, spent)
    yield from _time(results[1].seconds, seconds, runs, limits)
    yield from _accuracies(results[1], reference)
    if results[0].output.strip():
        yield f"printed:\n{quoted(results[0].output)}".rstrip()


def _randomness(first: RunResult, second: RunResult) -> str:
    if all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights):
        return (
            "seeds: WARNING, two seeds gave the same weights: all runs would be equal, which is "
            "easy to tell from retraining"
        )
    return "seeds: two seeds give different weights"


def _time(seconds: float, retrainings: np.ndarray, runs: int, limits: Limits) -> Iterator[str]:
    total = seconds * runs / cpu_count()
    fits = "within" if total <= limits.total_seconds else "WARNING, above"
    yield (
        f"time: {seconds:.2f} s per run; {runs} runs take about {total / 60:.1f} min here, "
        f"{fits} the limit of {limits.total_seconds / 60:.0f} min"
    )
    if retrainings.size:
        fraction = seconds / retrainings.mean()
        fits = "within" if fraction <= limits.retrain_fraction else "WARNING, flagged above"
        yield f"time: {fraction:.0%} of a retraining, {fits} {limits.retrain_fraction:.0%}"


def _accuracies(result: RunResult, reference: Reference) -> Iterator[str]:
    observer = Observer(reference.competition.model, reference.data)
    own = observer.weights([result.weights])
    for name in SPLITS:
        field = f"{name}_accuracy"
        original, retrained = (
            getattr(pool, field).mean() for pool in (reference.original, reference.retrained)
        )
        yield (
            f"{name} accuracy: {getattr(own, field)[0]:.3f} "
            f"(original {original:.3f}, retrained {retrained:.3f})"
        )

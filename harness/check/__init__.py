"""A quick check before 512 runs: is the file accepted, what looks wrong, where would it stand?"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import cpu_count

from harness import competition as competitions
from harness import diagnostics, leaderboard, runs, scoring, store
from harness import submission as submissions
from harness.check import findings, standing
from harness.check.findings import Finding
from harness.columns import Row
from harness.competition import Evaluation
from harness.device import device
from harness.diagnostics import Flag
from harness.epsilon.attackers import panel
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference.ceiling import ceiling
from harness.reference.pools import Reference, prepare
from harness.reference.training import AT_ONCE
from harness.run_store import RunStore
from harness.sandbox.host import Process, Server, Zygote
from harness.scoring import Score
from harness.submission import Verdict
from harness.text import quoted
from harness.yardstick import retraining, yardsticks

LOOK = AT_ONCE  # runs of a first look: BENCHMARKS.md says how often it is right
PATIENCE = 60.0  # seconds that a first look may take

__all__ = ["Finding", "check"]


def check(
    path: Path, competition: str = "digits", process: Process | None = None
) -> Iterator[Finding]:
    """Run a submission twice, then 32 times, and say what an evaluation of it would find.

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
    Finding
        One at a time.

    Raises
    ------
    Verdict
        If the evaluation would give it.
    """
    settings = competitions.load(competition)
    limits = settings.evaluation.limits
    submission = submissions.read(path, largest_kb=limits.submission_kb)
    reference = prepare(competitions.load(competition, runs=LOOK))
    observer = Observer(settings.model, reference.data)
    with (
        Zygote(reference.inputs, process=process) as zygote,
        tempfile.TemporaryDirectory() as folder,
    ):
        with Server(submission, zygote, limits, device=device().type) as server:
            yield Finding("isolation", f"{server.level} {server.missing}".rstrip())
            yield from (Finding(*note) for note in submission.notes)
            two = [server.run(runs.seed(submission.source, run)) for run in range(2)]
            for run, result in enumerate(two):
                RunStore(Path(folder)).put_run(run, result, server.level)
        seconds, retrainings = two[1].seconds, _retraining(reference, zygote)
        found = [
            *findings.weights(two, reference),
            *findings.time(seconds, retrainings, settings.evaluation.runs, limits),
            *findings.accuracies(two, reference, observer),
            *(findings.validation(two, reference, observer) if submission.reads_val else ()),
        ]
        yield from found
        if two[0].output.strip():
            yield Finding("printed", f"\n{quoted(two[0].output)}".rstrip())
        if seconds * LOOK / cpu_count() > PATIENCE:
            yield standing.too_long(seconds * LOOK / cpu_count())
            return
        of = (submission, zygote, observer, limits, LOOK, Path(folder), submission.source)
        score, flags = _look(runs.perform(*of, progress=False).pool, reference)
    yield from standing.flags(flags, {finding.topic for finding in found if finding.warns})
    figures = score.figures() | {"at_floor": score.at_floor}
    row = Row(submission=submission.name, runs=LOOK, status="scored", **figures)
    results = leaderboard.results_folder(settings.name)
    known = leaderboard.comparable(results, _key(reference, settings.evaluation), LOOK)
    yield from standing.place(row, [other for other in known if other.submission != row.submission])


def _retraining(reference: Reference, zygote: Zygote) -> np.ndarray:
    """The seconds of a retraining; none if an epoch of it breaks the limits of a run."""
    limits = reference.competition.evaluation.limits
    spent = {}
    with contextlib.suppress(Verdict):  # which is not the participant's fault
        for epochs, loop in yardsticks(reference).items():
            with Server(loop, zygote, limits, device=device().type) as server:
                spent[epochs] = np.array([server.run(0).seconds])
    return retraining(reference.competition.training.epochs, spent)


def _look(pool: Pool, reference: Reference) -> tuple[Score, list[Flag]]:
    """The score of a few runs and its flags, as an evaluation would find them.

    The attackers of the strict score are left out: they take the longest, and do not change the
    score. So is the 2023 rule.
    """
    settings, labels = reference.competition.evaluation, reference.data.forget["label"]
    settings = replace(settings, attackers=tuple(panel(settings.attackers, logits=False)))
    most = ceiling(reference, settings, _key(reference, settings))
    score = scoring.score(
        pool, reference.retrained, most, labels, settings.attackers, settings.delta
    )
    value, utility = score.value, score.utility
    return score, diagnostics.flags(pool, reference.retrained, labels, value, 0.0, utility)


def _key(reference: Reference, settings: Evaluation) -> str:
    return store.key(reference.fingerprint, settings.attackers, settings.delta)

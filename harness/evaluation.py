"""From submitted files to rows on the leaderboard: the one way through the harness."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from harness import competition as competitions
from harness import diagnostics, leaderboard, metrics, scoring, store
from harness import submission as submissions
from harness.competition import LEVELS, CompetitionError
from harness.diagnostics import Flag
from harness.epsilon import METRIC_VERSION
from harness.leaderboard import Row
from harness.outputs import Observer
from harness.reference.ceiling import ceiling
from harness.reference.pools import Reference, prepare
from harness.run_store import RunStore
from harness.runs import Runs, perform
from harness.sandbox.host import Process, Zygote
from harness.scoring import Score
from harness.submission import Submission, Verdict
from harness.workers import HERE, Workers
from harness.yardstick import retraining_seconds

LOG_BYTES = 1 << 20


def evaluate(
    submission: str | Path,
    competition: str = "digits",
    runs: int | None = None,
    require_isolation: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> Row:
    """Evaluate one submission and put it on the leaderboard.

    Parameters
    ----------
    submission : path
        The participant's file.
    competition : str
        A name in `reference/`, or the path of a TOML file.
    runs : int, optional
        How often it is run; the competition's own number if None.
    require_isolation : {"none", "partial", "full"}, optional
        The least isolation level to accept; the competition's own if None.
    workers : int, optional
        How many runs at a time on this machine; as many as it has cores if None.
    cluster : str, optional
        The address of a dask scheduler, whose workers do the runs instead.

    Returns
    -------
    dict
        The row, as on the leaderboard; `status` says whether it was scored or why not.

    Raises
    ------
    CompetitionError, StoreError, SandboxError
        For a fault of the host's; a fault of the submission's is its row's `status`.
    """
    who = Workers(workers, cluster)
    (row,) = evaluate_all([Path(submission)], competition, runs, require_isolation, workers=who)
    return row


def evaluate_all(
    paths: Sequence[Path],
    competition: str = "digits",
    runs: int | None = None,
    require_isolation: str | None = None,
    *,
    workers: Workers = HERE,
    retry: bool = True,
    progress: bool = True,
    process: Process | None = None,
) -> Iterator[Row]:
    """Evaluate submissions one after another; the leaderboard is up to date after each.

    Parameters
    ----------
    paths, competition, runs, require_isolation
        As in `evaluate`.
    workers : Workers
        Who trains the reference and does the runs.
    retry : bool
        Whether a file that got a verdict before, and is unchanged, is run again.
    progress : bool
        Show progress bars.
    process : Process, optional
        Started ahead for the runs on this machine.

    Yields
    ------
    dict
        A row each.
    """
    settings = competitions.load(competition, runs=runs, require_isolation=require_isolation)
    _check_names(paths)
    results = leaderboard.results_folder(settings.name)
    with store.lock(results):
        torch.set_num_threads(1)  # so that outputs do not depend on the number of cores
        reference = prepare(settings, progress, workers)
        observer = Observer(settings.model, reference.data)
        with (
            Zygote(
                reference.inputs, require=settings.evaluation.require_isolation, process=process
            ) as zygote,
            workers.joined(zygote, observer),
        ):
            run = partial(perform, zygote=zygote, observer=observer, workers=workers)
            evaluator = _Evaluator(reference, run, workers.at_once, results, retry, progress)
            for path in paths:
                row = evaluator.row(path)
                leaderboard.update(results, evaluator.key)
                yield row


def runs_folder(folder: Path, fingerprint: str, sha256: str) -> Path:
    """Where the runs of a file against a reference are kept, in its submission's folder."""
    return folder / f"runs-{_key(fingerprint, sha256)}"


def _check_names(paths: Sequence[Path]) -> None:
    """A row is named by its file's stem, so that no two files may share one."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.stem, path)
        beside = Path("submissions") / path.name
        if other == path and beside.exists() and not beside.samefile(path):
            other = beside
        if other != path:
            raise CompetitionError(
                f"{other} and {path} would share the row {path.stem!r}; rename one of them"
            )


class _Evaluator:
    """What the submissions of one evaluation share."""

    def __init__(
        self,
        reference: Reference,
        run: Callable[..., Runs],
        at_once: int,
        results: Path,
        retry: bool,
        progress: bool,
    ) -> None:
        self.reference = reference
        self._run = run
        self._at_once = at_once
        self.settings = reference.competition.evaluation
        self.key = _key(reference.fingerprint, self.settings.attackers, self.settings.delta)
        self._results = results
        self._retry = retry
        self._progress = progress
        self._labels = reference.data.forget["label"]
        self._ceiling = ceiling(reference, self.settings, self.key)

    def row(self, path: Path) -> Row:
        """The submission's row: the stored one if it still holds, else a new one."""
        folder = self._results / path.stem
        try:
            submission = submissions.read(path)
        except Verdict as verdict:
            return self._failed(folder, "", verdict)
        kept = leaderboard.read_row(folder, self.settings.runs)
        if kept is not None and self._holds(kept, submission):
            return kept
        try:
            return self._scored(folder, submission)
        except Verdict as verdict:
            return self._failed(folder, submission.sha256, verdict)

    def _holds(self, row: Row, submission: Submission) -> bool:
        return (
            row["key"] == self.key
            and row["sha256"] == submission.sha256
            and (not self._retry if row["status"] != "scored" else self._suffices(row))
        )

    def _suffices(self, row: Row) -> bool:
        """Whether a scored row was isolated as now required, and its weights kept if wanted."""
        settings = self.settings
        if LEVELS.index(row["isolation"]) < LEVELS.index(settings.require_isolation):
            return False
        folder = self._results / row["submission"]
        kept = runs_folder(folder, self.reference.fingerprint, row["sha256"])
        return not settings.keep_weights or RunStore(kept).has_weights(settings.runs)

    def _scored(self, folder: Path, submission: Submission) -> Row:
        key = _key(self.reference.fingerprint, submission.sha256)
        kept = runs_folder(folder, self.reference.fingerprint, submission.sha256)
        for stale in folder.glob("runs-*"):
            if stale != kept:
                shutil.rmtree(stale)
                (folder / "log.txt").unlink(missing_ok=True)
        runs = self._run(
            submission,
            limits=self.settings.limits,
            count=self.settings.runs,
            folder=kept,
            key=key,
            keep_weights=self.settings.keep_weights,
            log=lambda text: _log(folder, text),
            progress=self._progress,
        )
        seconds = retraining_seconds(self._run, self.reference, self._at_once, kept)
        return self._keep(folder, submission.sha256, self._score(folder, runs, seconds))

    def _score(self, folder: Path, runs: Runs, retraining_seconds: float | None) -> Row:
        """The figures of the row; those that it has no column for go to files beside it."""
        retrained, settings = self.reference.retrained, self.settings
        score = scoring.score(
            runs.pool, retrained, self._ceiling, self._labels, settings.attackers, settings.delta
        )
        figures: Row = metrics.figures(
            runs.pool,
            retrained,
            self._labels,
            score.quality.epsilons,
            settings.delta,
            float(runs.seconds.mean()),
            retraining_seconds,
        )
        flags = diagnostics.flags(
            runs.pool,
            retrained,
            self._labels,
            score.value,
            figures["neurips2023_score"],
            score.utility,
            figures["retrain_fraction"],
            settings.limits.retrain_fraction,
        )
        scored = _figures(score) | figures
        self._write_details(folder, runs, score, scored, flags)
        return scored | {
            "status": "scored",
            "flags": " ".join(flag.name for flag in flags),
            "explanations": {flag.name: flag.explanation for flag in flags},
            "isolation": runs.isolation,
            "memory": runs.memory,
            "device": runs.device,
            "at_floor": score.at_floor,
            "draws": score.draws.tolist(),
        }

    def _write_details(
        self, folder: Path, runs: Runs, score: Score, figures: Row, flags: Sequence[Flag]
    ) -> None:
        """What the leaderboard has no column for."""
        store.write(folder / "metrics.json", json.dumps(figures, indent=1))
        forget = self.reference.data.forget
        identities = {k: v for k, v in forget.items() if k not in ("image", "label")}
        columns = metrics.per_example(
            runs.pool, self.reference.retrained, self._labels, score.quality
        )
        examples = pd.DataFrame(identities | columns)
        store.write(folder / "examples.csv", examples.to_csv(index=False, float_format="%.6g"))
        for flag in flags:
            store.append(folder / "log.txt", f"flag {flag.name}: {flag.explanation}\n")

    def _failed(self, folder: Path, sha256: str, verdict: Verdict) -> Row:
        store.append(folder / "log.txt", f"{verdict.output}\n{verdict.status}: {verdict.message}\n")
        return self._keep(folder, sha256, {"status": verdict.status, "message": verdict.message})

    def _keep(self, folder: Path, sha256: str, figures: Row) -> Row:
        row = {
            "submission": folder.name,
            "runs": self.settings.runs,
            "metric_version": METRIC_VERSION,
            "sha256": sha256,
            "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "key": self.key,
        } | figures
        leaderboard.write_row(folder, row)
        return row


def _figures(score: Score) -> Row:
    """A score and what it is made of, by the names of the leaderboard."""
    figures: Row = {
        "score": score.value,
        "score_low": score.low,
        "score_high": score.high,
        "forgetting_quality": score.quality.value,
        "ceiling": score.ceiling.value,
        "utility": score.utility,
    }
    if score.strict:
        figures |= {
            "strict_score": score.strict.value,
            "strict_score_low": score.strict.low,
            "strict_score_high": score.strict.high,
            "strict_ceiling": score.strict.ceiling.value,
            "strict_epsilon_median": float(np.median(score.strict.quality.epsilons)),
        }
    return figures


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _log(folder: Path, text: str) -> None:
    """Append to the participant's log, as long as it is not full of prints already."""
    path = folder / "log.txt"
    if not path.exists() or path.stat().st_size < LOG_BYTES:
        store.append(path, text)

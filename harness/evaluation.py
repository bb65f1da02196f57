"""From submitted files to rows on the leaderboard: the one way through the harness."""

from __future__ import annotations

import hashlib
import hmac
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from joblib import parallel_config

from harness import competition as competitions
from harness import leaderboard, log, names, rows, store
from harness import submission as submissions
from harness.columns import Row
from harness.competition import LEVELS
from harness.epsilon import METRIC_VERSION
from harness.outputs import Observer
from harness.reference.ceiling import ceiling
from harness.reference.pools import Reference, prepare
from harness.run_store import RunStore
from harness.runs import Runs, perform
from harness.sandbox.host import Process, Zygote
from harness.sources import SHIPPED
from harness.submission import Submission, Verdict
from harness.text import quoted
from harness.workers import HERE, Workers
from harness.yardstick import in_turn


def evaluate(
    submission: str | Path,
    competition: str = "digits",
    runs: int | None = None,
    require_isolation: str | None = None,
    workers: int | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
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
        The row, by the names of the leaderboard's columns; `status` says whether it was scored or
        why not.

    Raises
    ------
    CompetitionError, StoreError, SandboxError
        For a fault of the host's; a fault of the submission's is its row's `status`.
    """
    who = Workers(workers, cluster)
    (row,) = evaluate_all([Path(submission)], competition, runs, require_isolation, workers=who)
    return row.known()


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
    Row
        One each.
    """
    settings = competitions.load(competition, runs=runs, require_isolation=require_isolation)
    names.check(paths)
    # What cannot be read is known before anything is trained.
    entries = [_read(path, settings.evaluation.limits.submission_kb) for path in paths]
    results = leaderboard.results_folder(settings.name)
    with store.lock(results):
        torch.set_num_threads(1)  # so that outputs do not depend on the number of cores
        reference = prepare(settings, progress, workers)
        observer = Observer(settings.model, reference.data)
        with (
            _panel_at_work(reference),
            Zygote(
                reference.inputs, require=settings.evaluation.require_isolation, process=process
            ) as zygote,
            workers.joined(zygote, observer),
        ):
            run = partial(perform, zygote=zygote, observer=observer, workers=workers)
            evaluator = _Evaluator(reference, run, workers.at_once, results, retry, progress)
            evaluator.draw_lines()
            for name, submission in entries:
                row = evaluator.row(name, submission)
                leaderboard.update(results, evaluator.key)
                yield row


def runs_folder(folder: Path, fingerprint: str, sha256: str) -> Path:
    """Where the runs of a file against a reference are kept, in its submission's folder."""
    return folder / f"runs-{_key(fingerprint, sha256)}"


def _read(path: Path, largest_kb: int) -> tuple[str, Submission | Verdict]:
    """The row's name, and what is to be run for it, or why nothing is."""
    try:
        return names.row_name(path), submissions.read(path, largest_kb=largest_kb)
    except Verdict as verdict:
        return names.row_name(path), verdict


def _panel_at_work(reference: Reference) -> parallel_config:
    """Attackers spread over the cores, where that is worth the start of processes."""
    models_seen = len(reference.retrained) * len(reference.data.forget["label"])
    return parallel_config(n_jobs=-1 if models_seen > 10_000 else 1)


NOISE = SHIPPED / "submissions/head_noise.py"
SOURCE = "source.py"  # the Python that ran, in the submission's folder


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
        self._secret = store.secret(results / "secret")
        self._retry = retry
        self._progress = progress
        self._ceiling = ceiling(reference, self.settings, self.key)
        self._noise = submissions.read(NOISE)

    def draw_lines(self) -> None:
        """The lines of every board: retraining, noise on the head, and the floor."""
        runs = self.settings.runs
        folders = {name: self._results / "baselines" / name for name in rows.LINES}
        kept = [leaderboard.read_row(folder, runs) for folder in folders.values()]
        if not all(row and row.reference == self.key for row in kept):
            for name, row in rows.baselines(self.reference, self._ceiling).items():
                self._keep(folders[name], f"({name})", "", row)
        self.row(self._noise.name, self._noise)

    def row(self, name: str, submission: Submission | Verdict) -> Row:
        """The submission's row: the stored one if it still holds, else a new one."""
        folder = leaderboard.submission_folder(self._results, name)
        if isinstance(submission, Verdict):
            return self._failed(folder, name, "", submission)
        store.write(folder / SOURCE, submission.source)  # for the report, whatever comes of it
        kept = leaderboard.read_row(folder, self.settings.runs)
        if kept is not None and self._holds(kept, submission):
            return kept
        try:
            return self._scored(folder, submission)
        except Verdict as verdict:
            return self._failed(folder, name, submission.sha256, verdict)

    def _holds(self, row: Row, submission: Submission) -> bool:
        return (
            row.reference == self.key
            and row.sha256 == submission.sha256
            and row.over_limit == self.settings.limits.over_limit
            and (not self._retry if row.score is None else self._suffices(row, submission))
        )

    def _suffices(self, row: Row, submission: Submission) -> bool:
        """Whether a scored row was isolated as now required, and its weights kept if wanted."""
        settings = self.settings
        if LEVELS.index(row.isolation or LEVELS[0]) < LEVELS.index(settings.require_isolation):
            return False
        folder = leaderboard.submission_folder(self._results, row.submission)
        kept = runs_folder(folder, self.reference.fingerprint, submission.sha256)
        return not settings.keep_weights or RunStore(kept).has_weights(settings.runs)

    def _scored(self, folder: Path, submission: Submission) -> Row:
        key = _key(self.reference.fingerprint, submission.sha256)
        kept = runs_folder(folder, self.reference.fingerprint, submission.sha256)
        for stale in folder.glob("runs-*"):
            if stale != kept:
                shutil.rmtree(stale)
                (folder / "log.txt").unlink(missing_ok=True)
        run = partial(
            self._run,
            submission,
            limits=self.settings.limits,
            folder=kept,
            key=hmac.digest(self._secret, key.encode(), "sha256"),
            keep_weights=self.settings.keep_weights,
            log=partial(log.printed, folder),
            progress=self._progress,
        )
        runs, retrainings = in_turn(run, self._run, self.reference, self._at_once, kept)
        scored = rows.scored(folder, runs, retrainings, self.reference, self._ceiling)
        if submission.sha256 == self._noise.sha256:
            scored["status"] = rows.BASELINE
        return self._keep(folder, submission.name, submission.sha256, scored)

    def _failed(self, folder: Path, name: str, sha256: str, verdict: Verdict) -> Row:
        log.printed(folder, quoted(verdict.output))
        log.note(folder, f"{verdict.status}\n{quoted(verdict.message)}")
        found = {"status": verdict.status, "message": verdict.message}
        return self._keep(folder, name, sha256, found)

    def _keep(self, folder: Path, name: str, sha256: str, found: dict[str, Any]) -> Row:
        row = Row(
            submission=name,
            runs=self.settings.runs,
            metric_version=METRIC_VERSION,
            reference=self.key,
            sha256=sha256,
            evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            over_limit=self.settings.limits.over_limit,
            **found,
        )
        leaderboard.write_row(folder, row)
        return row


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]

"""From submitted files to rows on the leaderboard: read, prepare, run, score, rank."""

from __future__ import annotations

import contextlib
import hmac
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import competition as competitions
from harness import leaderboard, log, names, rescoring, store, yardstick
from harness import runs as performed
from harness import submission as submissions
from harness.board import Board, failed, measure, score
from harness.columns import Row
from harness.competition import LEVELS, Competition
from harness.outputs import Observer
from harness.reference import pools
from harness.run_store import SOURCE, RunStore
from harness.runs import Runs
from harness.sandbox.host import Process, Zygote
from harness.submission import Entry, Submission, Verdict
from harness.workers import HERE, Workers

Each = Callable[[Row], None]


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
    each: Each = lambda row: None,
) -> list[Row]:
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
    each : callable
        Called with each row as soon as it stands on the leaderboard.

    Returns
    -------
    list of Row
        One for each path.
    """
    settings = competitions.load(competition, runs=runs, require_isolation=require_isolation)
    entries = read(paths, settings)
    results = leaderboard.results_folder(settings.name)
    made = []
    with store.lock(results):
        torch.set_num_threads(1)  # so that outputs do not depend on the number of cores
        board = prepare(settings, results, workers, progress)
        with _place(board, workers, process, progress) as place:
            _row(board.baselines[0].name, board.baselines[0], board, place, retry)
            for name, submission in entries:
                made.append(_row(name, submission, board, place, retry))
                rank(board)
                each(made[-1])
        rescoring.again(settings, results, lambda row: _is_outdated(row, board))
    return made


@dataclass(frozen=True)
class Place:
    """Where submissions are run."""

    zygote: Zygote
    observer: Observer
    workers: Workers
    progress: bool


def read(paths: Sequence[Path], settings: Competition) -> list[Entry]:
    """Each file's name and what to run, or its verdict; known before anything is trained."""
    names.check(paths)
    largest = settings.evaluation.limits.submission_kb
    return [submissions.entry(path, largest_kb=largest) for path in paths]


def prepare(settings: Competition, results: Path, workers: Workers, progress: bool) -> Board:
    """The reference, its ceiling, and the lines that follow from them alone."""
    return measure(pools.prepare(settings, progress, workers), results)


def run(submission: Submission, board: Board, place: Place) -> tuple[Runs, np.ndarray]:
    """The outputs of all runs, and the seconds of retrainings that alternate with them."""
    folder = board.folder(submission.name)
    kept = board.runs_folder(submission.name, submission.sha256)
    if not kept.exists():
        (folder / "log.txt").unlink(missing_ok=True)  # of another version
    made_from = store.key(board.reference.fingerprint, submission.sha256)
    secret = store.secret(board.results / "secret")
    return yardstick.in_turn(
        submission,
        board.reference,
        place.zygote,
        place.observer,
        place.workers,
        kept,
        key=hmac.digest(secret, made_from.encode(), "sha256"),
        log=lambda text: log.printed(folder, text),
        progress=place.progress,
    )


def rank(board: Board) -> None:
    """Put all rows that can be compared into `leaderboard.csv`."""
    leaderboard.update(board.results, board.key)


def _row(
    name: str, submission: Submission | Verdict, board: Board, place: Place, retry: bool
) -> Row:
    """A file's row: the stored one if it still holds, else a new one."""
    if isinstance(submission, Verdict):
        leaderboard.drop_versions(board.folder(name), "")
        return failed(name, "", submission, board)
    sha256 = submission.sha256
    leaderboard.drop_versions(board.folder(name), sha256)
    store.write(board.folder(name) / SOURCE, submission.source)  # for the report
    stored = leaderboard.read_row(board.folder(name), board.settings.runs)
    if stored is not None and _holds(stored, board, retry):
        return stored
    try:
        notes = {note.name: note.text for note in submission.notes if note.warns}
        row = score(name, sha256, *run(submission, board, place), board, notes)
    except Verdict as verdict:
        return failed(name, sha256, verdict, board)
    for other in board.folder(name).glob("runs-*"):
        if other != board.runs_folder(name, sha256):
            shutil.rmtree(other)
    return row


def _holds(row: Row, board: Board, retry: bool) -> bool:
    """Whether a row of the same file is what would be found again."""
    settings = board.settings
    if (row.reference, row.over_limit) != (board.key, settings.limits.over_limit):
        return False
    if row.score is None:
        return not retry
    kept = board.runs_folder(row.submission, row.sha256 or "")
    if _is_outdated(row, board) and performed.read(kept, row.runs) is not None:
        return False
    isolated = LEVELS.index(row.isolation or "none") >= LEVELS.index(settings.require_isolation)
    return isolated and (not settings.keep_weights or RunStore(kept).has_weights(row.runs))


def _is_outdated(row: Row, board: Board) -> bool:
    """Whether other code than today's scored it, and it can be compared and computed again."""
    kept = board.runs_folder(row.submission, row.sha256 or "")
    is_old = row.score is not None and row.scorer != board.scorer
    return is_old and row.reference == board.key and kept.is_dir()


@contextlib.contextmanager
def _place(
    board: Board, workers: Workers, process: Process | None, progress: bool
) -> Iterator[Place]:
    """The sandbox, open."""
    reference = board.reference
    observer = Observer(reference.competition.model, reference.data)
    require = board.settings.require_isolation
    with (
        Zygote(reference.inputs, require=require, process=process) as zygote,
        workers.joined(zygote, observer),
    ):
        yield Place(zygote, observer, workers, progress)

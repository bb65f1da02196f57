"""What the rows of one evaluation have in common, and how outputs become a row that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from joblib import parallel_config

from harness import leaderboard, log, rows, scorer, store
from harness import submission as submissions
from harness.columns import Row
from harness.competition import Evaluation
from harness.epsilon import METRIC_VERSION, ForgettingQuality
from harness.reference.ceiling import ceiling
from harness.reference.pools import Reference
from harness.run_store import runs_folder
from harness.runs import Runs
from harness.sources import SHIPPED
from harness.submission import Submission, Verdict

# Shipped files that are lines to compare with, as long as nobody has changed them.
BASELINES = [SHIPPED / f"submissions/{name}.py" for name in ("head_noise", "retrain")]


@dataclass(frozen=True)
class Board:
    """What the rows of one evaluation have in common.

    Attributes
    ----------
    reference : Reference
    results : Path
        The competition's folder.
    key : str
        Rows with the same can be compared.
    scorer : str
        Rows with another were made by other code, or with another limit of time.
    ceiling : ForgettingQuality
    baselines : list of Submission
        See `BASELINES`.
    """

    reference: Reference
    results: Path
    key: str
    scorer: str
    ceiling: ForgettingQuality
    baselines: list[Submission]

    @property
    def settings(self) -> Evaluation:
        return self.reference.competition.evaluation

    def folder(self, name: str) -> Path:
        """The folder of a submission."""
        return leaderboard.submission_folder(self.results, name)

    def runs_folder(self, name: str, sha256: str) -> Path:
        """Where the runs of a version of a submission are kept."""
        return runs_folder(self.folder(name), self.reference.fingerprint, sha256)


def measure(reference: Reference, results: Path) -> Board:
    """What the reference's rows have in common, measured; the computed lines are drawn."""
    settings = reference.competition.evaluation
    key = store.key(reference.fingerprint, settings.attackers, settings.delta)
    made_by = store.key(scorer.version(), settings.limits.retrain_fraction)
    with _panel_at_work(reference):
        measured = ceiling(reference, settings, key)
    files = [submissions.read(path) for path in BASELINES]
    board = Board(reference, results, key, made_by, measured, files)
    folders = {name: results / "baselines" / name for name in rows.LINES}
    kept = [leaderboard.read_row(folder, settings.runs) for folder in folders.values()]
    if not all(row and row.reference == key and row.scorer == made_by for row in kept):
        for name, figures in rows.baselines(reference, measured).items():
            _kept(folders[name], f"({name})", "", figures, board)
    return board


def score(
    name: str,
    sha256: str,
    runs: Runs,
    retrainings: np.ndarray,
    board: Board,
    notes: Mapping[str, str] | None = None,
) -> Row:
    """The row of the outputs; `notes` is what was seen in the file, by the flag that says so."""
    is_baseline = sha256 in {baseline.sha256 for baseline in board.baselines}
    with _panel_at_work(board.reference):
        found = rows.scored(
            board.folder(name),
            runs,
            retrainings,
            board.reference,
            board.ceiling,
            is_baseline,
            notes,
        )
    return _kept(board.folder(name), name, sha256, found, board)


def failed(name: str, sha256: str, verdict: Verdict, board: Board) -> Row:
    """The row of a verdict, which is in the log too."""
    folder = board.folder(name)
    log.verdict(folder, verdict)
    found = {"status": verdict.status, "message": verdict.message}
    return _kept(folder, name, sha256, found, board)


def _panel_at_work(reference: Reference) -> parallel_config:
    """Attackers spread over the cores, where that is worth the start of processes."""
    models_seen = len(reference.retrained) * len(reference.data.forget["label"])
    return parallel_config(n_jobs=-1 if models_seen > 10_000 else 1)


def _kept(folder: Path, name: str, sha256: str, found: dict[str, Any], board: Board) -> Row:
    """The row, stored."""
    row = Row(
        submission=name,
        runs=board.settings.runs,
        metric_version=METRIC_VERSION,
        reference=board.key,
        scorer=board.scorer,
        sha256=sha256,
        evaluated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        over_limit=board.settings.limits.over_limit,
        **found,
    )
    leaderboard.write_row(folder, row)
    return row

"""From identifiers and treatments to the repair competition's rows, curve and report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd
import torch
from tqdm import tqdm

from harness import names
from harness import submission as submissions
from harness.leaderboard import results_folder
from harness.repair import competition as competitions
from harness.repair import leaderboard, report
from harness.repair.cases import prepare
from harness.repair.competition import YARDSTICK
from harness.repair.curve import curve
from harness.repair.leaderboard import Row
from harness.repair.trials import NOBODY, ORACLE, Blame, Trials, blank
from harness.sandbox.host import Zygote
from harness.sources import CompetitionError
from harness.store import lock
from harness.submission import Entry, Submission, Verdict

SUBMISSIONS = Path("submissions")
_Found = TypeVar("_Found")


def repair(competition: str = "digits_repair") -> pd.DataFrame:
    """Judge every file of `submissions/identify/` and `submissions/repair/`.

    Parameters
    ----------
    competition : str
        A name in `reference/`, or the path of a TOML file.

    Returns
    -------
    DataFrame
        The rows of `results/<competition>/leaderboard.csv`; `report.html` lies beside it.

    Raises
    ------
    CompetitionError, StoreError, SandboxError
        For a fault of the host's; a fault of a submission's is its rows' `status`.
    """
    settings = competitions.load(competition)
    results = results_folder(settings.name)
    with lock(results):
        torch.set_num_threads(1)
        treatments = [_treatment(name) for name in settings.evaluation.treatments]
        largest = settings.evaluation.limits.submission_kb
        identifiers, repairs = (
            [submissions.entry(path, kind, largest) for path in names.find(SUBMISSIONS / kind)]
            for kind in ("identify", "repair")
        )
        for name in {name for name, _ in identifiers} & {ORACLE, NOBODY}:
            raise CompetitionError(
                f"{SUBMISSIONS / 'identify'}: {name!r} is a row that every board has; rename the "
                "file"
            )
        reference = prepare(settings)
        with tempfile.TemporaryDirectory() as folder:
            inputs = blank(Path(folder), reference)
            with Zygote(inputs, require=settings.evaluation.require_isolation) as zygote:
                trials = Trials(reference, zygote, results)
                blames = {ORACLE: trials.oracle()} | {
                    name: _tried(trials.identify, file)
                    for name, file in tqdm(identifiers, desc="identify", unit="file")
                }
                rows = _rows(trials, blames, treatments, repairs)
        frame = leaderboard.write(results / "leaderboard.csv", rows)
        scores = {name: own.scores for name, own in blames.items() if isinstance(own, Blame)}
        report.write(results, settings, frame, curve(reference, scores, results / "curve"))
    return frame


def _rows(
    trials: Trials,
    blames: Mapping[str, Blame | Verdict],
    treatments: Sequence[Submission],
    repairs: Sequence[Entry],
) -> list[Row]:
    """A row for each identifier with each treatment, and for each repair."""
    seconds = _retraining_seconds(trials, treatments)
    wrong = [(name, own) for name, own in blames.items() if isinstance(own, Verdict)]
    rows = [leaderboard.row(name, "", verdict, seconds) for name, verdict in wrong]
    sound = [own for own in blames.values() if isinstance(own, Blame)]
    pairs = [(blame, treatment) for blame in sound for treatment in treatments]
    for blame, treatment in tqdm(pairs, desc="treat", unit="row"):
        found = _tried(partial(trials.treat, blame), treatment)
        rows.append(leaderboard.row(blame.name, treatment.name, found, seconds))
    for name, file in tqdm(repairs, desc="repair", unit="row"):
        found = _tried(trials.repair, file)
        rows.append(leaderboard.row(NOBODY, name, found, seconds))
    return rows


def _retraining_seconds(trials: Trials, treatments: Sequence[Submission]) -> float:
    """Mean seconds of a retraining, in the same sandbox as what it is compared with."""
    retrain = next(own for own in treatments if own.name == YARDSTICK)
    try:
        return float(trials.treat(trials.oracle(), retrain)["treat_seconds"].mean())
    except Verdict as verdict:
        raise CompetitionError(f"{retrain.path} cannot be run: {verdict}") from None


def _tried(work: Callable[[Submission], _Found], file: Submission | Verdict) -> _Found | Verdict:
    """What comes of a file, or its verdict."""
    if isinstance(file, Verdict):
        return file
    try:
        return work(file)
    except Verdict as verdict:
        return verdict


def _treatment(name: str) -> Submission:
    try:
        return submissions.read(SUBMISSIONS / f"{name}.py")
    except Verdict as verdict:
        raise CompetitionError(f"treatment {name!r}: {verdict.message}") from None
    except FileNotFoundError as error:
        raise CompetitionError(f"evaluation.treatments: {error}") from None

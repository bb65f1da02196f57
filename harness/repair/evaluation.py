"""From identifiers and treatments to the repair competition's rows, curve and report."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from harness import names
from harness import submission as submissions
from harness.reference.flips import Case, prepare
from harness.repair import competition as competitions
from harness.repair import leaderboard, report
from harness.repair.competition import YARDSTICK
from harness.repair.curve import curve
from harness.repair.leaderboard import Row
from harness.repair.scores import detection
from harness.repair.trials import NOBODY, ORACLE, Figures, Identifier, Trials, blank
from harness.sandbox.host import Zygote
from harness.sources import CompetitionError
from harness.store import lock
from harness.submission import Submission, Verdict

RESULTS = Path("results")
SUBMISSIONS = Path("submissions")


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
    results = RESULTS / settings.name
    with lock(results):
        torch.set_num_threads(1)
        treatments = [_treatment(name) for name in settings.evaluation.treatments]
        reference = prepare(settings)
        with tempfile.TemporaryDirectory() as folder:
            inputs = blank(Path(folder), reference)
            with Zygote(inputs, require=settings.evaluation.require_isolation) as zygote:
                trials = Trials(reference, zygote, results / "trials")
                rows, scores = _evaluate(reference.cases, trials, treatments)
        frame = leaderboard.write(results / "leaderboard.csv", rows)
        points = curve(reference, scores, results / "curve")
        report.write(results, settings, frame, points)
    return frame


def _evaluate(
    cases: Sequence[Case], trials: Trials, treatments: Sequence[Submission]
) -> tuple[list[Row], dict[str, list[np.ndarray]]]:
    """The rows, and the scores of each identifier without a verdict, case by case."""
    identifiers, rows = _identifiers()
    direct, faults = _direct()
    rows += faults
    pairs = [(identifier, case) for identifier in identifiers for case in cases]
    stopped: set[str] = set()
    work = [delayed(_trial)(trials, *pair, treatments, stopped) for pair in pairs]
    work += [delayed(_direct_trial)(trials, one, case, stopped) for one in direct for case in cases]
    done = Parallel(n_jobs=cpu_count(), backend="threading", return_as="generator")(work)
    with tqdm(total=len(work), desc="repair", unit="case") as bar:
        outcomes: dict[tuple[str, str], list[Figures | Verdict]] = {}
        scores: dict[str, list[np.ndarray]] = {}
        for name, found, figures in done:
            bar.update()
            for treatment, outcome in figures.items():
                outcomes.setdefault((name, treatment), []).append(outcome)
            if found is not None:
                scores.setdefault(name, []).append(found)
    seconds = _retraining_seconds(outcomes)
    for (name, treatment), of_cases in outcomes.items():
        rows.append(_row(name, treatment, of_cases, seconds))
    return rows, {name: own for name, own in scores.items() if len(own) == len(cases)}


def _trial(
    trials: Trials,
    identifier: Identifier,
    case: Case,
    treatments: Sequence[Submission],
    stopped: set[str],
) -> tuple[str, np.ndarray | None, dict[str, Figures | Verdict]]:
    """An identifier's scores for a case, and the figures of each treatment.

    What failed once stands in `stopped` and is not tried again.
    """
    if identifier.name in stopped:
        return identifier.name, None, {}
    try:
        found = trials.identify(identifier, case)
    except Verdict as verdict:
        stopped.add(identifier.name)
        return identifier.name, None, {"": verdict}
    count = trials.count
    facts = detection(found.scores, case.flipped, count) | {"identify_seconds": found.seconds}
    outcomes: dict[str, Figures | Verdict] = {}
    for treatment in treatments:
        name = f"{identifier.name} {treatment.name}"
        if name in stopped:
            continue
        try:
            outcomes[treatment.name] = facts | trials.treat(identifier, found, treatment, case)
        except Verdict as verdict:
            stopped.add(name)
            outcomes[treatment.name] = verdict
    return identifier.name, found.scores, outcomes


def _direct_trial(
    trials: Trials, treatment: Submission, case: Case, stopped: set[str]
) -> tuple[str, None, dict[str, Figures | Verdict]]:
    """The figures of a `repair`, which blames nothing, for a case."""
    name = f"{NOBODY} {treatment.name}"
    if name in stopped:
        return NOBODY, None, {}
    try:
        return NOBODY, None, {treatment.name: trials.repair(treatment, case)}
    except Verdict as verdict:
        stopped.add(name)
        return NOBODY, None, {treatment.name: verdict}


def _row(name: str, treatment: str, outcomes: Sequence[Figures | Verdict], seconds: float) -> Row:
    for outcome in outcomes:
        if isinstance(outcome, Verdict):
            return leaderboard.failed(name, treatment, outcome.status, outcome.message)
    figures = [dict(o) for o in outcomes if not isinstance(o, Verdict)]
    for own in figures:
        own["treat_fraction"] = own["seconds"] / seconds
        if "identify_seconds" in own:
            own["identify_fraction"] = own["identify_seconds"] / seconds
    return leaderboard.scored(name, treatment, figures)


def _retraining_seconds(outcomes: Mapping[tuple[str, str], Sequence[Figures | Verdict]]) -> float:
    """Mean seconds of a retraining, under the same load as what it is compared with."""
    seconds = []
    for outcome in outcomes[ORACLE, YARDSTICK]:
        if isinstance(outcome, Verdict):
            raise CompetitionError(f"{SUBMISSIONS / YARDSTICK}.py cannot be run: {outcome}")
        seconds.append(outcome["seconds"])
    return float(np.mean(seconds))


def _treatment(name: str) -> Submission:
    try:
        return submissions.read(SUBMISSIONS / f"{name}.py")
    except Verdict as verdict:
        raise CompetitionError(f"treatment {name!r}: {verdict.message}") from None
    except FileNotFoundError as error:
        raise CompetitionError(f"evaluation.treatments: {error}") from None


def _identifiers() -> tuple[list[Identifier], list[Row]]:
    """The truth, the files of `submissions/identify/`, and rows of those that cannot be read."""
    found, rows = [Identifier(ORACLE, None, signed=True)], []
    for path in names.find(SUBMISSIONS / "identify"):
        try:
            submission = submissions.read(path, "identify")
        except Verdict as verdict:
            name = names.row_name(path)
            rows.append(leaderboard.failed(name, "", verdict.status, verdict.message))
        else:
            found.append(Identifier(submission.name, submission, submission.signed))
    return found, rows


def _direct() -> tuple[list[Submission], list[Row]]:
    """The files of `submissions/repair/`, and rows of those that cannot be read."""
    found, rows = [], []
    for path in names.find(SUBMISSIONS / "repair"):
        try:
            found.append(submissions.read(path, "repair"))
        except Verdict as verdict:
            name = names.row_name(path)
            rows.append(leaderboard.failed(NOBODY, name, verdict.status, verdict.message))
    return found, rows

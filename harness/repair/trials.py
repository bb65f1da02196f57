"""Runs identifiers and treatments, one run a case, and computes their figures."""

from __future__ import annotations

import contextlib
import hmac
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import log, models
from harness.data import Columns
from harness.leaderboard import submission_folder
from harness.outputs import ModelObserver, Observes, Weights
from harness.pool import Outputs, Seen
from harness.repair.cases import Reference
from harness.repair.scores import blamed, detection
from harness.run_store import runs_folder
from harness.runs import Runs, perform
from harness.sandbox.host import Zygote
from harness.store import Store, key, secret
from harness.submission import Submission, Verdict

ORACLE = "true_flips"  # blames what was flipped: the ceiling of every identifier
NOBODY = "none"  # instead of an identifier, if the model is repaired from the failures
Figures = dict[str, np.ndarray]  # by name, a value for each of S cases


@dataclass(frozen=True)
class Scores(Outputs):
    """What an identifier says of the n training examples of S cases: [S, n], float64."""

    scores: np.ndarray


@dataclass(frozen=True)
class Answers(Outputs):
    """The classes that S models name for the examples of three splits, each [S, n], int64."""

    train: np.ndarray
    query: np.ndarray
    test: np.ndarray


class ScoreObserver:
    """Takes what identifiers return for what it is."""

    kind = Scores
    gpu_mb = 0

    def weights(self, weights: Sequence[Weights]) -> Scores:
        """The scores of S runs."""
        return Scores(np.stack([own["scores"] for own in weights]))


class AnswerObserver(ModelObserver[Answers]):
    """Asks repaired models for their answers, by the images of a `Reference`."""

    kind = Answers
    splits = ("train", "query", "test")

    def seen(self, found: Mapping[str, Tensor]) -> Answers:
        """The answers, from the logits [n, S, C] on each split."""
        return Answers(**{name: logits.argmax(-1).T.numpy() for name, logits in found.items()})


@dataclass(frozen=True)
class Blame:
    """An identifier's scores.

    Attributes
    ----------
    name : str
    made_by : str
        The hash of its file.
    scores : ndarray [S, n]
        Of the training examples, case by case.
    seconds : ndarray [S]
    signed : bool
        Whether all examples with a score above zero are to be forgotten.
    """

    name: str
    made_by: str
    scores: np.ndarray
    seconds: np.ndarray
    signed: bool


class Trials:
    """Runs what is not stored yet.

    Parameters
    ----------
    reference : Reference
    zygote : Zygote
        Its inputs are `blank`.
    results : Path
        The competition's folder, where runs and logs are kept.
    """

    def __init__(self, reference: Reference, zygote: Zygote, results: Path) -> None:
        self._reference = reference
        self._zygote = zygote
        self._results = results
        self._secret = secret(results / "secret")
        self._observer = AnswerObserver(reference.competition.model, reference)
        self._nothing = [np.array([], int)] * len(reference.cases)  # to forget

    def oracle(self) -> Blame:
        """What `true_flips` says."""
        flipped = np.stack([case.flipped for case in self._reference.cases])
        return Blame(ORACLE, ORACLE, flipped.astype(float), np.zeros(len(flipped)), signed=True)

    def identify(self, identifier: Submission) -> Blame:
        """The identifier's scores.

        Raises
        ------
        Verdict
            If it is at fault.
        """
        folder = submission_folder(self._results, identifier.name)
        runs = self._perform(folder, identifier, ScoreObserver(), self._nothing)
        scores = runs.pool.scores
        if identifier.signed and not (blames := (scores > 0).any(1)).all():
            raise Verdict(
                "invalid_scores",
                f"run {blames.argmin()}: the file says `SIGNED = True`, but no score is above "
                "zero, so there is nothing to forget.",
            )
        return Blame(identifier.name, identifier.sha256, scores, runs.seconds, identifier.signed)

    def treat(self, blame: Blame, treatment: Submission) -> Figures:
        """Figures of what a treatment makes of the originals: they forget the blamed examples.

        Raises
        ------
        Verdict
            If the treatment is at fault.
        """
        count, cases = self._reference.competition.evaluation.forget, self._reference.cases
        forget = [blamed(own, count, blame.signed) for own in blame.scores]
        found = [
            detection(own, case.flipped, count)
            for own, case in zip(blame.scores, cases, strict=True)
        ]
        figures = {name: np.array([own[name] for own in found]) for name in found[0]}
        figures["identify_seconds"] = blame.seconds
        return figures | self._figures(blame.name, treatment, forget, blame.made_by, str(count))

    def repair(self, treatment: Submission) -> Figures:
        """Figures of what a `repair(net, train, failures, val)` makes of the originals.

        Raises
        ------
        Verdict
            If it is at fault.
        """
        return self._figures(NOBODY, treatment, self._nothing)

    def _figures(
        self,
        identifier: str,
        treatment: Submission,
        forget: Sequence[np.ndarray],
        *made_from: str,
    ) -> Figures:
        folder = submission_folder(self._results, identifier) / "treatments" / treatment.name
        runs = self._perform(folder, treatment, self._observer, forget, *made_from)
        before, after = (self._accuracies(own, forget) for own in (self._originals, runs.pool))
        return {
            "forgotten": np.array([len(rows) for rows in forget]),
            "treat_seconds": runs.seconds,
            **{f"{split}_before": values for split, values in before.items()},
            **{f"{split}_after": values for split, values in after.items()},
        }

    def _perform(
        self,
        folder: Path,
        submission: Submission,
        observer: Observes[Seen],
        forget: Sequence[np.ndarray],
        *made_from: str,
    ) -> Runs[Seen]:
        """A run for each case; `made_from` is what the rows to `forget` follow from."""
        parts = self._reference.fingerprint, *made_from, submission.sha256
        kept = runs_folder(folder, *parts)
        for other in folder.glob("runs-*"):
            if other != kept:  # of another version
                shutil.rmtree(other)
                (folder / "log.txt").unlink(missing_ok=True)
        try:
            return perform(
                submission,
                self._zygote,
                observer,
                self._reference.competition.evaluation.limits,
                len(self._reference.cases),
                kept,
                hmac.digest(self._secret, key(*parts).encode(), "sha256"),
                log=partial(log.printed, folder),
                inputs=partial(self._inputs, submission.function, forget),
                progress=False,
            )
        except Verdict as verdict:
            log.verdict(folder, verdict)
            raise

    @contextlib.contextmanager
    def _inputs(self, function: str, forget: Sequence[np.ndarray], run: int) -> Iterator[Path]:
        """All that a run may see: labels as given; no flips, no held-out failures."""
        reference, case = self._reference, self._reference.cases[run]
        given = reference.train | {"label": case.labels}
        rest = np.setdiff1d(np.arange(len(case.labels)), forget[run])
        failures = reference.query, case.failures
        second = _rows(given, forget[run]) if function == "unlearning" else _rows(*failures)
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder)
            write_inputs(own, _rows(given, rest), second, reference.validation, case.weights)
            yield own

    @cached_property
    def _originals(self) -> Answers:
        return self._observer.weights([case.weights for case in self._reference.cases])

    def _accuracies(self, answers: Answers, forget: Sequence[np.ndarray]) -> Figures:
        """On held-out failures, test set, and retain set with its labels as given."""
        reference = self._reference
        held_out, retain = [], []
        for run, case in enumerate(reference.cases):
            right = answers.query[run] == reference.query["label"]
            held_out.append(right[case.held_out].mean())
            right = answers.train[run] == case.labels
            retain.append(np.delete(right, forget[run]).mean())
        test = (answers.test == reference.test["label"]).mean(1)
        return {"held_out": np.array(held_out), "test": test, "retain": np.array(retain)}


def write_inputs(
    folder: Path, retain: Columns, forget: Columns, validation: Columns, original: Weights
) -> None:
    """The files of `harness.sandbox.walls.policy.OWN_INPUTS`, in `folder`."""
    store = Store(folder)
    for name, arrays in (
        ("retain", retain),
        ("forget", forget),
        ("validation", validation),
        ("original", original),
    ):
        store.put(name, arrays)


def blank(folder: Path, reference: Reference) -> Path:
    """Inputs for the zygote, which all runs share; no labels, no trained weights."""
    model = reference.competition.model
    torch.manual_seed(0)
    state = models.build(model.architecture, **model.arguments).state_dict()
    train, validation = (
        columns | {"label": np.zeros_like(columns["label"])}
        for columns in (reference.train, reference.validation)
    )
    write_inputs(folder, train, validation, validation, {k: t.numpy() for k, t in state.items()})
    settings = asdict(model) | {"batch_size": reference.competition.training.batch_size}
    (folder / "competition.json").write_text(json.dumps(settings))
    (folder / "age_class_weights.json").write_text("[]")
    (folder / "empty.txt").touch()
    return folder


def _rows(columns: Columns, rows: np.ndarray) -> dict[str, Any]:
    return {name: column[rows] for name, column in columns.items()}

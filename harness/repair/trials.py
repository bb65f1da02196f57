"""Runs identifiers and treatments in the sandbox, seed by seed, and keeps their figures."""

from __future__ import annotations

import hashlib
import hmac
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from harness import models
from harness.data import Columns
from harness.device import device
from harness.outputs import forward_all
from harness.reference.flips import Case, Reference
from harness.repair import scores as scoring
from harness.runs import seed as run_seed
from harness.sandbox.host import Server, Zygote
from harness.store import Store, secret
from harness.submission import Submission, Verdict

ORACLE = "true_flips"  # blames what was flipped: the ceiling of every identifier
NOBODY = "none"  # instead of an identifier, if the model is repaired from the failures
VERSION = 1  # of what is stored


Figures = dict[str, float]


@dataclass(frozen=True)
class Identifier:
    """What blames training examples: a submission, or the truth if there is none."""

    name: str
    submission: Submission | None
    signed: bool


@dataclass(frozen=True)
class Found:
    """An identifier's scores [n] for a case, and the seconds that they took."""

    scores: np.ndarray
    seconds: float


class Trials:
    """Runs what is not stored yet, in the sandbox; a stored trial is never run again.

    Parameters
    ----------
    reference : Reference
    zygote : Zygote
        Its inputs are `blank`.
    folder : Path
        Where the figures of trials are stored.

    Attributes
    ----------
    count : int
        K, how many examples are forgotten.
    """

    def __init__(self, reference: Reference, zygote: Zygote, folder: Path) -> None:
        self._reference = reference
        self._zygote = zygote
        self._stored = Store(folder)
        self._secret = secret(folder / "secret")
        self.count = reference.competition.evaluation.forget

    def identify(self, identifier: Identifier, case: Case) -> Found:
        """The identifier's scores for a case.

        Raises
        ------
        Verdict
            If it is at fault.
        """
        if identifier.submission is None:
            return Found(case.flipped.astype(np.float64), 0.0)
        key = self._key(case, identifier.submission)
        name = f"{identifier.name}-{case.seed}"
        arrays = self._stored.get(name)
        if arrays is None or self._stored.facts(name).get("key") != key:
            failures = self._reference.query, case.failures
            rows = np.arange(len(case.labels))
            arrays, seconds = self._run(identifier.submission, case, rows, failures, key)
            _check_sign(identifier, arrays["scores"], case)
            self._stored.put(name, arrays, key=key, seconds=seconds)
        return Found(arrays["scores"], self._stored.facts(name)["seconds"])

    def treat(
        self, identifier: Identifier, found: Found, treatment: Submission, case: Case
    ) -> Figures:
        """Figures of the model after a treatment has made the original forget the blamed examples.

        Raises
        ------
        Verdict
            If the treatment is at fault.
        """
        forget = scoring.blamed(found.scores, self.count, identifier.signed)
        retain = np.setdiff1d(np.arange(len(case.labels)), forget)
        name = f"{identifier.name}-{treatment.name}-{case.seed}"
        return self._figures(name, treatment, case, retain, (self._given(case), forget))

    def repair(self, treatment: Submission, case: Case) -> Figures:
        """Figures of the model that a `repair(net, train, failures, val)` makes of the original.

        Raises
        ------
        Verdict
            If it is at fault.
        """
        rows = np.arange(len(case.labels))
        name = f"{NOBODY}-{treatment.name}-{case.seed}"
        failures = self._reference.query, case.failures
        return self._figures(name, treatment, case, rows, failures)

    def _figures(
        self,
        name: str,
        treatment: Submission,
        case: Case,
        rows: np.ndarray,
        second: tuple[Columns, np.ndarray],
    ) -> Figures:
        """The result of a run whose loaders have these rows of the training set and of another."""
        content = hashlib.sha256(rows.tobytes() + second[1].tobytes()).hexdigest()
        key = self._key(case, treatment, content)
        if self._stored.facts(name).get("key") != key:
            weights, seconds = self._run(treatment, case, rows, second, key)
            before = self._accuracies(case, case.weights, rows)
            after = self._accuracies(case, weights, rows)
            figures = {f"{split}_before": value for split, value in before.items()}
            figures |= {f"{split}_after": value for split, value in after.items()}
            figures |= {"forgotten": len(case.labels) - len(rows), "seconds": seconds}
            self._stored.put(name, {}, key=key, figures=figures)
        return self._stored.facts(name)["figures"]

    def _run(
        self,
        submission: Submission,
        case: Case,
        rows: np.ndarray,
        second: tuple[Columns, np.ndarray],
        key: str,
    ) -> tuple[dict[str, np.ndarray], float]:
        """A run's result and its seconds."""
        limits = self._reference.competition.evaluation.limits
        # All that it may see: labels as given; no flips, no held-out failures.
        splits = {
            "retain": _rows(self._given(case), rows),
            "forget": _rows(*second),
            "validation": self._reference.validation,
        }
        try:
            with tempfile.TemporaryDirectory() as folder:
                inputs = write_inputs(Path(folder), splits, case.weights)
                with Server(
                    submission, self._zygote, limits, inputs=inputs, device=device().type
                ) as server:
                    own = hmac.digest(self._secret, key.encode(), "sha256")
                    result = server.run(run_seed(own, case.seed))
        except Verdict as verdict:
            raise Verdict(
                verdict.status, f"seed {case.seed}: {verdict.message}", verdict.output
            ) from None
        return result.weights, result.seconds

    def _key(self, case: Case, submission: Submission, content: str = "") -> str:
        """A fingerprint of all that a trial depends on."""
        limits = asdict(self._reference.competition.evaluation.limits)
        parts = [VERSION, self._reference.fingerprint, case.seed, submission.sha256, content]
        return hashlib.sha256(json.dumps([parts, limits]).encode()).hexdigest()

    def _given(self, case: Case) -> Columns:
        """The training set with the labels that a participant gets."""
        return self._reference.train | {"label": case.labels}

    @torch.inference_mode()
    def _accuracies(self, case: Case, weights: dict[str, np.ndarray], rows: np.ndarray) -> Figures:
        """Accuracies on held-out failures, test set, and retain set with its labels as given."""
        reference, model = self._reference, self._reference.competition.model
        net = models.build(model.architecture, **model.arguments)
        net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        net.eval().to(device())
        splits = {
            "held_out": _rows(reference.query, case.held_out),
            "test": reference.test,
            "retain": _rows(self._given(case), rows),
        }
        said = {
            name: forward_all(net, torch.from_numpy(own["image"])).argmax(-1).cpu().numpy()
            for name, own in splits.items()
        }
        return {name: float((said[name] == own["label"]).mean()) for name, own in splits.items()}


def write_inputs(folder: Path, splits: dict[str, Columns], weights: dict[str, np.ndarray]) -> Path:
    """The files of `harness.sandbox.walls.policy.OWN_INPUTS`, in `folder`."""
    for name, columns in (splits | {"original": weights}).items():
        arrays = {key: np.asarray(column, order="C") for key, column in columns.items()}
        save_file(arrays, folder / f"{name}.safetensors")
    return folder


def blank(folder: Path, reference: Reference) -> Path:
    """Inputs for the zygote, which all runs share; no labels, no trained weights."""
    competition = reference.competition
    model = competition.model
    torch.manual_seed(0)
    state = models.build(model.architecture, **model.arguments).state_dict()
    splits = {
        name: columns | {"label": np.zeros_like(columns["label"])}
        for name, columns in (
            ("retain", reference.train),
            ("forget", reference.validation),
            ("validation", reference.validation),
        )
    }
    settings = asdict(model) | {"batch_size": competition.training.batch_size}
    (folder / "competition.json").write_text(json.dumps(settings))
    (folder / "age_class_weights.json").write_text("[]")
    (folder / "empty.txt").touch()
    return write_inputs(folder, splits, {name: t.numpy() for name, t in state.items()})


def _check_sign(identifier: Identifier, scores: np.ndarray, case: Case) -> None:
    if identifier.signed and not (scores > 0).any():
        raise Verdict(
            "invalid_scores",
            f"seed {case.seed}: the file says `SIGNED = True`, but no score is above zero, so "
            "there is nothing to forget.",
        )


def _rows(columns: Columns, rows: Sequence[int] | np.ndarray) -> dict[str, Any]:
    return {name: column[rows] for name, column in columns.items()}

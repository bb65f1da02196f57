"""Accuracy against K: the host's own retrainings without the K examples most to blame."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, cpu_count, delayed

from harness.outputs import forward_all
from harness.reference.flips import AT_ONCE, Case, Reference
from harness.reference.training import train
from harness.repair.scores import blamed
from harness.store import Store

SHARES = (0.25, 0.5, 1.0, 1.5)  # of the competition's K
Points = dict[str, dict[int, dict[str, np.ndarray]]]  # identifier, K, "held_out" or "test": [S]


def curve(reference: Reference, scores: Mapping[str, Sequence[np.ndarray]], folder: Path) -> Points:
    """Accuracies after retraining without the K most blamed, for several K.

    Parameters
    ----------
    reference : Reference
    scores : mapping of str to sequence of ndarray [n]
        The scores of each identifier, case by case; the first `AT_ONCE` cases are used.
    folder : Path
        Where the retrained models' accuracies are stored.
    """
    stored = Store(folder)
    largest = reference.competition.evaluation.forget
    counts = [max(1, round(share * largest)) for share in SHARES]
    kept = {
        (name, count): _kept(own[:AT_ONCE], count)
        for name, own in scores.items()
        for count in counts
    }
    names = {task: _name(reference, rows) for task, rows in kept.items()}
    missing = [task for task in kept if stored.get(names[task]) is None]
    found = Parallel(n_jobs=cpu_count(), return_as="generator")(
        delayed(_retrained)(reference, kept[task]) for task in missing
    )
    for task, accuracies in zip(missing, found, strict=True):
        stored.put(names[task], accuracies)
    points: Points = {name: {} for name in scores}
    for (name, count), key in names.items():
        points[name][count] = stored.get(key) or {}
    return points


def _kept(scores: Sequence[np.ndarray], count: int) -> np.ndarray:
    """The training examples [n - count, S] that are left in each case."""
    columns = [
        np.setdiff1d(np.arange(len(own)), blamed(own, count, signed=False)) for own in scores
    ]
    return np.stack(columns, axis=1)


def _name(reference: Reference, rows: np.ndarray) -> str:
    return hashlib.sha256(reference.fingerprint.encode() + rows.tobytes()).hexdigest()[:16]


def _retrained(reference: Reference, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracies [S] of models trained on their own rows [k, S], with the labels as given."""
    torch.set_num_threads(1)
    cases: Sequence[Case] = reference.cases[: rows.shape[1]]
    labels = torch.from_numpy(np.stack([case.labels for case in cases], axis=1))
    recipe = reference.competition.training
    # Seeds that the originals do not use, the same for every identifier and K.
    seeds = [int(np.random.default_rng([recipe.seed, 3, c.seed]).integers(2**62)) for c in cases]
    images = torch.from_numpy(reference.train["image"])
    model = reference.competition.model
    models = train(model, recipe, images, labels, seeds, torch.from_numpy(rows))
    test = _right(models, reference.test)
    query = _right(models, reference.query)
    held_out = [query[case.held_out, i].mean() for i, case in enumerate(cases)]
    return {"held_out": np.array(held_out), "test": test.mean(0)}


def _right(models: torch.nn.Module, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether each model is right about each example, [n, S]."""
    said = forward_all(models, torch.from_numpy(columns["image"])).argmax(-1).cpu().numpy()
    return said == columns["label"][:, None]

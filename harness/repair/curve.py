"""Accuracy against K: the host's own retrainings without the K examples most to blame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from joblib import delayed

from harness.device import alone, as_many_as_fit
from harness.outputs import forward_all
from harness.reference.training import in_parallel, train
from harness.repair.cases import AT_ONCE, Reference
from harness.repair.scores import blamed
from harness.store import Store, key
from harness.workers import HERE

SHARES = (0.25, 0.5, 1.0, 1.5)  # of the competition's K
Points = dict[str, dict[int, dict[str, np.ndarray]]]  # identifier, K, "held_out" or "test": [S]


def curve(reference: Reference, scores: Mapping[str, np.ndarray], folder: Path) -> Points:
    """Accuracies after retraining without the K most blamed, for several K.

    Parameters
    ----------
    reference : Reference
    scores : mapping of str to ndarray [S, n]
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
    names = {task: key(reference.fingerprint, rows.tobytes()) for task, rows in kept.items()}
    missing = [task for task in kept if stored.get(names[task]) is None]
    found = in_parallel(
        HERE,
        [reference],
        lambda _: (delayed(_retrained)(reference, kept[task]) for task in missing),
    )
    for task, accuracies in zip(missing, found, strict=True):
        stored.put(names[task], accuracies)
    points: Points = {name: {} for name in scores}
    for (name, count), place in names.items():
        points[name][count] = stored.get(place) or {}
    return points


def _kept(scores: np.ndarray, count: int) -> np.ndarray:
    """The training examples [n - count, S] that are left in each case."""
    columns = [
        np.setdiff1d(np.arange(len(own)), blamed(own, count, signed=False)) for own in scores
    ]
    return np.stack(columns, axis=1)


def _retrained(reference: Reference, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracies [S] of models trained on their own rows [k, S], with the labels as given."""
    torch.set_num_threads(1)
    competition, cases = reference.competition, reference.cases
    images = torch.from_numpy(reference.train["image"])

    def work(own: Sequence[int]) -> list[np.ndarray]:
        labels = torch.from_numpy(np.stack([cases[i].labels for i in own], axis=1))
        # Seeds that the originals do not use, the same for every identifier and K.
        seeds = [
            int(np.random.default_rng([competition.training.seed, 3, i]).integers(2**62))
            for i in own
        ]
        chosen = torch.from_numpy(rows[:, own])
        models = train(competition.model, competition.training, images, labels, seeds, chosen)
        return [_right(models, columns) for columns in (reference.query, reference.test)]

    with alone():
        groups = as_many_as_fit(work, range(rows.shape[1]))
    query, test = (np.concatenate(parts, axis=1) for parts in zip(*groups, strict=True))
    held_out = [query[cases[i].held_out, i].mean() for i in range(rows.shape[1])]
    return {"held_out": np.array(held_out), "test": test.mean(0)}


def _right(models: torch.nn.Module, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether each model is right about each example, [n, S]."""
    said = forward_all(models, torch.from_numpy(columns["image"])).argmax(-1).cpu().numpy()
    return said == columns["label"][:, None]

"""How much each example is memorised, estimated from models trained on random halves of the data.

Feldman and Zhang, "What Neural Networks Memorize and Why", 2020: an example is memorised to the
degree that models trained on it know its label better than other models. They count how many models
are right. We take the probability that each model gives to the label, which needs fewer models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from joblib import delayed
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness import store
from harness.competition import Competition, CompetitionError, Forget, Model, Training
from harness.data import Columns, checksum, trainable
from harness.device import as_many_as_fit
from harness.epsilon import METRIC_VERSION
from harness.outputs import forward_all
from harness.reference.training import AT_ONCE, Bar, in_parallel, seeds, train
from harness.store import Store
from harness.workers import Report, Workers

MODELS = 64  # for each example, half of them are trained on it
POOL = 3  # the pool of seeds after those of the retrained models
NAME = "memorisation"


def known(competition: Competition, columns: Columns, cache: Path) -> np.ndarray | None:
    """What `estimate` found for this data and recipe; None if it was not called."""
    folder = _folder(competition, columns, cache)
    kept = Store(folder).get(NAME) if folder.is_dir() else None
    return None if kept is None else kept[NAME]


def estimate(
    competition: Competition, columns: Columns, cache: Path, workers: Workers, progress: bool
) -> np.ndarray:
    """The memorisation of each example, from the cache if it was found before.

    Parameters
    ----------
    competition : Competition
        Its model and recipe do the memorising; the seed of its splits divides the data.
    columns : dict of ndarray
        The whole dataset.
    cache : Path
        A folder for it is made here.
    workers : Workers
    progress : bool

    Returns
    -------
    ndarray [n], float64
        Mean probability of the label from models trained on the example, minus that from other
        models: about 0 to 1, and minus infinity for examples that are not for training.
    """
    if (kept := known(competition, columns, cache)) is not None:
        return kept
    candidates = trainable(columns, competition.splits)
    if len(candidates) < 2:
        raise CompetitionError("splits.forget: too few examples to measure memorisation")
    folder = _folder(competition, columns, cache)
    with store.lock(folder):
        images, labels = columns["image"][candidates], columns["label"][candidates]
        halves = _halves(len(candidates), competition.splits.seed)
        groups = []
        with Bar(NAME, MODELS, 0, progress) as bar:
            results = in_parallel(
                workers,
                [images, labels, halves],
                lambda report: (
                    delayed(_probabilities)(
                        competition.model,
                        competition.training,
                        images,
                        labels,
                        halves,
                        first,
                        report,
                    )
                    for first in range(0, MODELS, AT_ONCE)
                ),
                bar.hear if progress else None,
            )
            for group in results:
                groups.append(group)
                bar.finish(len(group))
        probabilities = np.concatenate(groups)
        trained = np.zeros(probabilities.shape, bool)
        np.put_along_axis(trained, halves, True, axis=1)
        scores = np.full(len(columns["label"]), -np.inf)
        scores[candidates] = _mean(probabilities, trained) - _mean(probabilities, ~trained)
        Store(folder).put(NAME, {NAME: scores})
    return scores


def _folder(competition: Competition, columns: Columns, cache: Path) -> Path:
    """A name for what the estimate depends on, which excludes how many examples are forgotten."""
    splits = replace(competition.splits, forget=Forget("memorised"), retain=0, validation=0)
    fingerprint = replace(competition, splits=splits).fingerprint(checksum(columns), METRIC_VERSION)
    return cache / f"{competition.name}-{NAME}-{fingerprint}"


def _halves(count: int, seed: int) -> np.ndarray:
    """Rows that each model is trained on [MODELS, count // 2]; every second has the rest."""
    rng = np.random.default_rng([seed, 2])  # 0 and 1 divide the splits
    orders = [rng.permutation(count) for _ in range(MODELS // 2)]
    half = count // 2
    return np.stack([rows for order in orders for rows in (order[:half], order[-half:])])


def _probabilities(
    model: Model,
    recipe: Training,
    images: np.ndarray,
    labels: np.ndarray,
    halves: np.ndarray,
    first: int,
    report: Report,
) -> np.ndarray:
    """Probabilities of the labels [AT_ONCE, n] by the group of models from `first` on."""
    torch.set_num_threads(1)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    drawn = seeds(recipe.seed, POOL, range(MODELS))

    def work(members: Sequence[int]) -> Tensor:
        rows = torch.from_numpy(halves[members]).T.contiguous()
        own = [drawn[i] for i in members]
        group = train(model, recipe, x, y, own, rows, report, whole=False)
        logits = forward_all(group, x).cpu().double()
        targets = y[:, None].expand(-1, len(members))
        return torch.exp(-cross_entropy(logits.movedim(-1, 1), targets, reduction="none")).T

    members = range(first, first + AT_ONCE)
    return torch.cat(as_many_as_fit(work, members)).detach().numpy()


def _mean(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The mean over the models for which [models, n] is true."""
    return np.where(which, values, 0).sum(0) / which.sum(0)

"""A look at a competition from a few retrained models: is there anything to forget?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from joblib import delayed

from harness.competition import Competition, Model, Training
from harness.data import Columns, Data
from harness.device import as_many_as_fit
from harness.epsilon import confidences
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference.cost import Estimate, at_once, duration
from harness.reference.pools import ORIGINAL, RETRAINED
from harness.reference.training import Bar, in_parallel, seeds, train
from harness.workers import HERE, Report

MODELS = 16
LONGEST = 600  # seconds that a look may take


def told(competition: Competition, data: Data, cost: Estimate) -> Iterator[str]:
    """Whether the original memorised the forget set, line by line.

    Trains the original and `MODELS` retrained models by the recipe, unless `cost` says that this
    takes more than `LONGEST` seconds.
    """
    seconds = cost.seconds * (1 + MODELS) / cost.models
    if seconds > LONGEST:
        yield (
            f"whether the forget set is memorised, {MODELS} retrained models would tell in "
            f"{duration(seconds)}: compare the accuracies that `check` prints, once there is a "
            "reference"
        )
        return
    original, retrained = _pools(competition, data)
    yield from compared(original, retrained, data.forget["label"])


def compared(original: Pool, retrained: Pool, labels: np.ndarray) -> Iterator[str]:
    """What the two know of the forget set, and a warning if that is the same.

    Parameters
    ----------
    original : Pool of one
    retrained : Pool of N
    labels : ndarray [F]
        Classes of the forget examples.
    """
    pools = original, retrained
    forget, test = (
        " and ".join(f"{getattr(pool, f'{name}_accuracy').mean():.1%}" for pool in pools)
        for name in ("forget", "test")
    )
    yield (
        f"accuracy of the original and of {len(retrained)} retrained models: {forget} on the "
        f"forget set, {test} on the test set"
    )
    ours, theirs = (confidences(pool.forget_logits, labels) for pool in pools)
    share = float((ours > theirs.max(axis=0)).mean())
    chance = 1 / (1 + len(retrained))
    yield (
        f"memorised: on {share:.0%} of the forget set the original is more confident than all "
        f"{len(retrained)}; chance would make it {chance:.0%}"
    )
    if share < chance + 2 * np.sqrt(chance * (1 - chance) / len(labels)):
        yield (
            "WARNING: that is no more than chance, so there is little to unlearn. Train longer or "
            'a larger model, or choose a forget set of kind "memorised" or of whole persons'
        )


def _pools(competition: Competition, data: Data) -> tuple[Pool, Pool]:
    """The outputs of the original and of `MODELS` retrained models, trained on all cores."""
    model, recipe = competition.model, competition.training
    groups = np.array_split(np.arange(MODELS), min(at_once(), MODELS))
    tasks = [(RETRAINED, members, data.retain) for members in groups]
    tasks.append((ORIGINAL, np.arange(1), data.train))
    with Bar("a look", 1 + MODELS, 0, True) as bar:
        found = []
        for pool in in_parallel(
            HERE,
            [data],
            lambda report: (
                delayed(_outputs)(
                    model, recipe, data, columns, seeds(recipe.seed, which, members), report
                )
                for which, members, columns in tasks
            ),
            bar.hear,
        ):
            found.append(pool)
            bar.finish(len(pool))
    *retrained, original = found
    return original, Pool.concatenate(retrained)


def _outputs(
    model: Model, recipe: Training, data: Data, columns: Columns, own: list[int], report: Report
) -> Pool:
    """The outputs of models with these seeds, trained on these examples."""
    torch.set_num_threads(1)
    images, labels = torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])
    observer = Observer(model, data)

    def work(some: Sequence[int]) -> Pool:
        return observer.fused(train(model, recipe, images, labels, some, report=report))

    return Pool.concatenate(as_many_as_fit(work, own))

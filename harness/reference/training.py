"""The recipe: trains the original and every retrained model, many at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from harness import models
from harness.batches import Split, loader
from harness.competition import Model, Training
from harness.data import Columns
from harness.device import device
from harness.fused import Fused, Separate
from harness.reference import choice, plain_loop
from harness.reference.choice import quickest, ways
from harness.reference.steps import Examples, Steps, settings_of
from harness.trimming import trimmed
from harness.workers import SILENT, Hear, Report, Workers

AT_ONCE = 32  # models in one fused network
MEASURED_SECONDS = 1.0


def in_parallel(
    workers: Workers,
    shared: Sequence[object],
    calls: Callable[[Report], Iterable[object]],
    hear: Hear | None = None,
) -> Generator[Any]:
    """The results of joblib's delayed calls, in order, as many at a time as there are workers.

    On this machine's GPU one goes at a time, because one fills it.

    Parameters
    ----------
    workers : Workers
    shared : sequence
        Arguments of all calls.
    calls : callable
        Makes them from a `Report`, by which they say how many models are trained so far.
    hear : callable, optional
        Called with these numbers, in another thread.
    """
    if device().type == "cuda" and workers.cluster is None:
        workers = Workers(1)
    with workers.joined(*shared, hear=hear) as report:
        yield from workers.results(calls(report))


class Bar(tqdm):
    """A progress bar of models: those that are done, and those in training by their steps.

    Parameters
    ----------
    name : str
    total, done : int
        All models, and those that were kept before.
    shown : bool
    """

    def __init__(self, name: str, total: int, done: int, shown: bool) -> None:
        super().__init__(
            desc=name,
            total=total,
            initial=done,
            disable=not shown,
            smoothing=0,  # groups of models end together, which says nothing about the pace
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total} models "
            "[{elapsed}<{remaining}]",
        )
        self._whole = done

    def hear(self, models: float) -> None:
        """So many more models are trained, in groups that are not finished."""
        with self.get_lock():
            self.update(min(models, self.total - self.n))

    def finish(self, models: int) -> None:
        """So many more models are kept, whatever was reported of them."""
        self._whole += models
        with self.get_lock():
            self.update(max(0, self._whole - self.n))


def seeds(seed: int, pool: int, members: Iterable[int]) -> list[int]:
    """The seeds of a pool's models: no two models of a reference share one."""
    return [
        int(np.random.SeedSequence([seed, pool, i]).generate_state(1, np.uint64)[0] >> 1)
        for i in members
    ]


def initialise(model: Model, seed: int) -> torch.nn.Module:
    """A model with torch's default initialisation, drawn from its own seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.build(model.architecture, **model.arguments)


def train(
    model: Model,
    recipe: Training,
    images: Tensor,
    labels: Tensor,
    seeds: Sequence[int],
    rows: Tensor | None = None,
    report: Report = SILENT,
    *,
    whole: bool = True,
) -> Fused | Separate:
    """Train one model per seed, each with its own initialisation and batch order.

    Apart from rounding, a model's weights depend on its seed alone: neither its gradient nor its
    update mixes with another's. On the CPU all are trained at once if the architecture can be
    fused, otherwise one after another; on a GPU in the quickest of several ways. There, what layers
    like dropout draw depends on all seeds.

    Parameters
    ----------
    model, recipe
        From the competition.
    images : Tensor [n, channels, height, width]
    labels : Tensor [n] or [n, M], int64
        The labels for all models, or for each.
    seeds : sequence of int
        One per model.
    rows : Tensor [k, M], int64, optional
        The examples that each model is trained on, a column each, in order; all if None.
    report : Report
        Receives how many more models are trained; models in training count by their steps.
    whole : bool
        Whether the models keep weights that no image of this size can meet. Without them they
        answer alike, take less work, and have smaller states.

    Returns
    -------
    Fused or Separate
        The trained models, in evaluation mode, on the GPU if there is one.
    """
    members = [initialise(model, seed) for seed in seeds]
    if not whole:
        members = trimmed(members, images[0])
    examples, rows = _arranged(recipe, images, labels, len(seeds), rows)
    found = ways(members, recipe, examples, _total(recipe, rows))
    if found:
        way = quickest(found, _key(model, recipe, images, seeds, whole), _first(recipe, rows))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeds[0])
            return _train(found[way](), rows, seeds, report).eval()
    trained: list[dict[str, Tensor]] = []
    for i, (member, seed) in enumerate(zip(members, seeds, strict=True)):
        own = Examples(examples.images, examples.labels[:, [i]], examples.weights[:, [i]])
        alone = Separate(member, [member.state_dict()])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # for layers that draw random numbers, such as dropout
            steps = Steps(alone, recipe, own, _total(recipe, rows))
            trained += _train(steps, rows[:, [i]], [seed], report).states()
    return Separate(members[0], trained).eval()


def plain_seconds(model: Model, recipe: Training, retain: Columns) -> float:
    """Seconds of one retraining as a submission would do it, by the median of a few epochs.

    This is a plain loop over a `DataLoader` in this process, for a second, or for two epochs if
    they take longer. The first epoch warms up and does not count. On the CPU we take the time of
    this thread, which must be torch's only one, so that other load on the machine counts little.
    """
    on_gpu = device().type == "cuda"
    clock = time.perf_counter if on_gpu else time.thread_time
    split = Split({name: torch.from_numpy(column) for name, column in retain.items()})
    batches = loader(split, recipe.batch_size, shuffle=True)
    net = initialise(model, recipe.seed).to(device())
    epoch = as_plain(recipe, torch.from_numpy(retain["label"]), epochs=1)
    spent: list[float] = []
    while len(spent) < 2 or sum(spent) < MEASURED_SECONDS:
        start = clock()
        plain_loop.train(net, batches, **epoch)
        if on_gpu:
            torch.cuda.synchronize()
        spent.append(clock() - start)
    return recipe.epochs * statistics.median(spent[1:])


def step_seconds(model: Model, recipe: Training, columns: Columns, models: int) -> float:
    """Seconds of one step of one model when so many train together, after warming up."""
    images, labels = torch.from_numpy(columns["image"]), torch.from_numpy(columns["label"])
    if device().type == "cuda":
        members = trimmed([initialise(model, seed) for seed in range(models)], images[0])
        examples, rows = _arranged(recipe, images, labels, models, None)
        found, first = ways(members, recipe, examples, len(rows)), _first(recipe, rows)
        way = quickest(found, _key(model, recipe, images, range(models), False), first)
        return choice.step_seconds(found[way](), first) / models
    for _ in range(2):
        start = time.perf_counter()
        train(model, replace(recipe, epochs=1), images, labels, range(models), whole=False)
    steps = -(-len(images) // recipe.batch_size)
    return (time.perf_counter() - start) / steps / models


def _arranged(
    recipe: Training, images: Tensor, labels: Tensor, models: int, rows: Tensor | None
) -> tuple[Examples, Tensor]:
    """The examples on the device, with labels and weights [n, M], and the rows [k, M]."""
    labels = labels.view(len(images), -1).expand(-1, models)
    if rows is None:
        rows = torch.arange(len(images))[:, None].expand(-1, models)
    weights = torch.ones(labels.shape)
    if recipe.class_weighted:
        pairs = zip(labels.unbind(1), rows.unbind(1), strict=True)
        weights = torch.stack([_weights(own, chosen) for own, chosen in pairs], dim=1)
    return Examples(*(tensor.to(device()) for tensor in (images, labels, weights))), rows


def _total(recipe: Training, rows: Tensor) -> int:
    return recipe.epochs * -(-len(rows) // recipe.batch_size)


def _first(recipe: Training, rows: Tensor) -> Tensor:
    return rows[: recipe.batch_size].to(device())


def _key(model: Model, recipe: Training, images: Tensor, seeds: Sequence[int], whole: bool) -> str:
    """What the quickest way depends on."""
    return repr((model, replace(recipe, epochs=1), images.shape[1:], len(seeds), whole))


def _train(steps: Steps, rows: Tensor, seeds: Sequence[int], report: Report) -> Fused | Separate:
    """Train all models of a group at once, on `rows` [k, M]."""
    recipe = steps.recipe
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    for _ in range(recipe.epochs):
        order = torch.stack([torch.randperm(len(rows), generator=g) for g in orders], dim=1)
        for batch in rows.gather(0, order).to(device()).split(recipe.batch_size):  # [B, M]
            steps(batch)
            report(len(seeds) / _total(recipe, rows))
    return steps.group


def as_plain(recipe: Training, labels: Tensor, epochs: int) -> dict[str, Any]:
    """The recipe for a training set with these labels [n], as `plain_loop.train` takes it."""
    name, settings = settings_of(recipe)
    counts = labels.bincount().clamp(min=1)
    weights = (len(labels) / (len(counts) * counts)).tolist() if recipe.class_weighted else None
    return {
        "optimizer": name,
        "settings": settings,
        "class_weights": weights,
        "bfloat16": recipe.bfloat16,
        "epochs": epochs,
    }


def _weights(labels: Tensor, rows: Tensor) -> Tensor:
    """Weights of the examples [n]: over `rows` each class has the same sum, and the mean is 1."""
    counts = labels[rows].bincount(minlength=int(labels.max()) + 1)
    return (len(rows) / ((counts > 0).sum() * counts))[labels]

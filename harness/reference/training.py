"""The recipe: trains the original and every retrained model, many at a time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from harness import models
from harness.batches import Split, loader
from harness.competition import Model, Training
from harness.data import Columns
from harness.device import device
from harness.fused import Fused, Separate, together
from harness.reference import plain_loop
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
) -> Fused | Separate:
    """Train one model per seed, each with its own initialisation and batch order.

    Apart from rounding, a model's weights depend on its seed alone: neither its gradient nor its
    update mixes with another's. All are trained at once if the architecture can be fused, otherwise
    one after another.

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

    Returns
    -------
    Fused or Separate
        The trained models, in evaluation mode, on the GPU if there is one.
    """
    members = [initialise(model, seed) for seed in seeds]
    states = [member.state_dict() for member in members]
    kind = together(members[0], images[0])
    labels = labels.view(len(images), -1).expand(-1, len(seeds))
    if rows is None:
        rows = torch.arange(len(images))[:, None].expand(-1, len(seeds))
    if kind is Fused:
        group = Fused(members[0], states)
        return _train(group, recipe, images, labels, seeds, rows, report).eval()
    trained = []
    for i, (member, state, seed) in enumerate(zip(members, states, seeds, strict=True)):
        own = labels[:, [i]], [seed], rows[:, [i]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # for layers that draw random numbers, such as dropout
            alone = _train(Separate(member, [state]), recipe, images, *own, report)
        trained += alone.states()
    return Separate(members[0], trained).eval().to(device())


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
    for _ in range(2):
        start = time.perf_counter()
        train(model, replace(recipe, epochs=1), images, labels, range(models))
    steps = -(-len(images) // recipe.batch_size)
    return (time.perf_counter() - start) / steps / models


_Group = TypeVar("_Group", Fused, Separate)


def _train(
    group: _Group,
    recipe: Training,
    images: Tensor,
    labels: Tensor,
    seeds: Sequence[int],
    rows: Tensor,
    report: Report,
) -> _Group:
    """Train all models of a group at once, with `labels` [n, M] and `rows` [k, M]."""
    group.train().to(device())
    optimizer = optimizer_of(recipe, group)
    orders = [torch.Generator().manual_seed(seed) for seed in seeds]
    batches = -(-len(rows) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs * batches)
    weights = torch.ones(labels.shape)
    if recipe.class_weighted:
        pairs = zip(labels.unbind(1), rows.unbind(1), strict=True)
        weights = torch.stack([_weights(own, chosen) for own, chosen in pairs], dim=1)
    images, labels, weights = (t.to(device()) for t in (images, labels, weights))
    reduced = torch.autocast(device().type, torch.bfloat16, enabled=recipe.bfloat16)
    for _ in range(recipe.epochs):
        order = torch.stack([torch.randperm(len(rows), generator=g) for g in orders], dim=1)
        for batch in rows.gather(0, order).to(device()).split(recipe.batch_size):  # [B, M]
            with reduced:
                logits = group(images[batch])
            targets = labels.gather(0, batch)
            losses = cross_entropy(
                logits.flatten(0, 1).to(weights.dtype), targets.flatten(), reduction="none"
            ).view_as(batch)
            share = weights.gather(0, batch)
            # The sum of the models' mean losses: its gradient is each model's own.
            means = (share * losses).sum(0) / share.sum(0)
            optimizer.zero_grad()
            means.sum().backward()
            optimizer.step()
            schedule.step()
            report(len(seeds) / schedule.T_max)
    return group


def optimizer_of(recipe: Training, group: torch.nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer."""
    name, settings = _optimizer(recipe)
    return getattr(torch.optim, name)(group.parameters(), **settings, fused=True)


def as_plain(recipe: Training, labels: Tensor, epochs: int) -> dict[str, Any]:
    """The recipe for a training set with these labels [n], as `plain_loop.train` takes it."""
    name, settings = _optimizer(recipe)
    counts = labels.bincount().clamp(min=1)
    weights = (len(labels) / (len(counts) * counts)).tolist() if recipe.class_weighted else None
    return {
        "optimizer": name,
        "settings": settings,
        "class_weights": weights,
        "bfloat16": recipe.bfloat16,
        "epochs": epochs,
    }


def _optimizer(recipe: Training) -> tuple[str, dict[str, float]]:
    """The name of the recipe's optimizer in `torch.optim`, and its settings."""
    name = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[recipe.optimizer]
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    return name, {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay} | momentum


def _weights(labels: Tensor, rows: Tensor) -> Tensor:
    """Weights of the examples [n]: over `rows` each class has the same sum, and the mean is 1."""
    counts = labels[rows].bincount(minlength=int(labels.max()) + 1)
    return (len(rows) / ((counts > 0).sum() * counts))[labels]

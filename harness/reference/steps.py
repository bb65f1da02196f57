"""Training steps of many models: in one pass, as branches, or as branches recorded in a CUDA graph.

A step of a small model is bound by the start of its kernels, not by them. Grouped layers start one
kernel for all models; a CUDA graph starts none, and lets the models' own, ordinary ones overlap.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.competition import Training
from harness.device import device
from harness.fused import Fused, Separate

WARM = 3  # steps before one is recorded: torch and cuDNN prepare things at the first


class Examples(NamedTuple):
    """What M models learn from.

    Attributes
    ----------
    images : Tensor [n, channels, height, width]
    labels, weights : Tensor [n, M]
    """

    images: Tensor
    labels: Tensor
    weights: Tensor


class Steps:
    """Steps with one forward and one backward pass for all models.

    Parameters
    ----------
    group : Fused or Separate
        The models.
    recipe : Training
    examples : Examples
        On the GPU if there is one, as rows are.
    total : int
        How many steps there will be.
    """

    def __init__(
        self, group: Fused | Separate, recipe: Training, examples: Examples, total: int
    ) -> None:
        self.group = group.train().to(device())
        self.recipe = recipe
        self.examples = examples
        self.optimizer = self._optimizer()
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, total)

    def __call__(self, rows: Tensor) -> None:
        """Take one step, for each model on the examples in its column of `rows` [B, M]."""
        self._learn(rows)
        self.schedule.step()

    def _optimizer(self) -> torch.optim.Optimizer:
        return optimizer_of(self.recipe, self.group)

    def _learn(self, rows: Tensor) -> None:
        with self._precision():
            logits = self.group(self.examples.images[rows])
        self.optimizer.zero_grad()
        self._losses(logits, rows, slice(None)).sum().backward()
        self.optimizer.step()

    def _precision(self) -> torch.autocast:
        # Without torch's cache of weights in bfloat16, which a graph must not outlive.
        kind, reduced = device().type, self.recipe.bfloat16
        return torch.autocast(kind, torch.bfloat16, enabled=reduced, cache_enabled=False)

    def _losses(self, logits: Tensor, rows: Tensor, models: slice) -> Tensor:
        """The mean loss of each of some models [K], from logits [B, K, C] and rows [B, K].

        The gradient of their sum is each model's own.
        """
        targets = self.examples.labels[:, models].gather(0, rows)
        share = self.examples.weights[:, models].gather(0, rows)
        losses = cross_entropy(
            logits.flatten(0, 1).to(share.dtype), targets.flatten(), reduction="none"
        ).view_as(rows)
        return (share * losses).sum(0) / share.sum(0)


class Branches(Steps):
    """Steps with a forward and a backward pass for each model, all of them at once on a GPU.

    The models are ordinary ones of any architecture, and compute what each would compute alone.
    """

    group: Separate

    def __init__(self, group: Separate, recipe: Training, examples: Examples, total: int) -> None:
        super().__init__(group, recipe, examples, total)
        on_gpu = device().type == "cuda"
        self._streams = [torch.cuda.Stream() if on_gpu else None for _ in group.members]

    def _learn(self, rows: Tensor) -> None:
        self.optimizer.zero_grad()  # to none, so that a backward pass writes instead of adding
        with contextlib.ExitStack() as begun:
            for place, member in enumerate(self.group.members):
                own = slice(place, place + 1)
                with _beside(self._streams[place], begun):
                    with self._precision():
                        logits = member(self.examples.images[rows[:, place]])
                    self._losses(logits[:, None], rows[:, own], own).sum().backward()
        self.optimizer.step()


class Recorded(Branches):
    """Branches that become a CUDA graph, one for each size of a batch, when they have warmed up."""

    def __init__(self, group: Separate, recipe: Training, examples: Examples, total: int) -> None:
        super().__init__(group, recipe, examples, total)
        # torch's schedule of a tensor would round at each step, so it has an optimizer of its own.
        self._clock = torch.optim.SGD([torch.zeros(0)], recipe.learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._clock, total)
        self._apart = torch.cuda.Stream() if device().type == "cuda" else None
        self._taken: dict[int, int] = {}  # steps, by the size of their batches
        self._graphs: dict[int, tuple[Tensor, Graph]] = {}

    def __call__(self, rows: Tensor) -> None:
        super().__call__(rows)
        self._rate.fill_(self.schedule.get_last_lr()[0])

    def _optimizer(self) -> torch.optim.Optimizer:
        """One that finds its learning rate on the GPU, where it can change between replays."""
        self._rate = torch.tensor(self.recipe.learning_rate, dtype=torch.float32, device=device())
        return optimizer_of(self.recipe, self.group, self._rate)

    def _learn(self, rows: Tensor) -> None:
        size, learn = len(rows), super()._learn
        self._clock.step()
        if size not in self._graphs:
            if self._taken.setdefault(size, 0) < WARM:
                self._taken[size] += 1
                with contextlib.ExitStack() as begun, _beside(self._apart, begun):
                    return learn(rows)
            still = rows.clone()
            self._graphs[size] = still, Graph(lambda: learn(still))
        still, graph = self._graphs[size]
        still.copy_(rows)
        return graph.replay()


class Graph:
    """Work of the GPU that is recorded, and done at each replay."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            work()

    def replay(self) -> None:
        """Do it."""
        self._graph.replay()


def optimizer_of(
    recipe: Training, group: torch.nn.Module, rate: Tensor | None = None
) -> torch.optim.Optimizer:
    """The recipe's optimizer, with the recipe's learning rate or with one in a tensor."""
    name, settings = settings_of(recipe)
    if rate is not None:
        settings |= {"lr": rate} | ({} if name == "SGD" else {"capturable": True})
    return getattr(torch.optim, name)(group.parameters(), **settings, fused=True)


def settings_of(recipe: Training) -> tuple[str, dict]:
    """The name of the recipe's optimizer in `torch.optim`, and its settings."""
    name = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}[recipe.optimizer]
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    return name, {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay} | momentum


@contextlib.contextmanager
def _beside(stream: torch.cuda.Stream | None, begun: contextlib.ExitStack) -> Iterator[None]:
    """In a stream that starts now, and for which the current one waits at the end of `begun`."""
    if stream is None:
        yield
        return
    main = torch.cuda.current_stream()
    stream.wait_stream(main)
    begun.callback(main.wait_stream, stream)
    with torch.cuda.stream(stream):
        yield

"""Chooses how models are trained side by side on a GPU: the quickest way there, by a few steps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter

import torch
from torch import Tensor, nn

from harness import exhaustion
from harness.competition import Training
from harness.device import device, let_go
from harness.fused import Fused, Separate, together
from harness.reference.steps import WARM, Branches, Examples, Recorded, Steps

TIMED = 20  # steps of each way
Way = Callable[[], Steps]

_known: dict[str, str] = {}  # the quickest way, by what it was chosen for


def ways(
    members: Sequence[nn.Module], recipe: Training, examples: Examples, total: int
) -> dict[str, Way]:
    """The ways in which models can be trained side by side, by name.

    On the CPU that is grouped, or none if the architecture cannot be. A GPU has three more, and
    which is quickest depends on the card, the architecture and the sizes.

    Parameters
    ----------
    members : sequence of Module
        M models of one architecture.
    recipe, examples, total
        As in `Steps`.
    """
    states = [member.state_dict() for member in members]
    settings = recipe, examples, total

    def grouped(memory_format: torch.memory_format) -> Steps:
        group = Fused(members[0], states)
        group.network.to(memory_format=memory_format)
        return Steps(group, *settings)

    found: dict[str, Way] = {}
    if together(members[0], examples.images[0]) is Fused:
        found["grouped, channels last"] = functools.partial(grouped, torch.channels_last)
    if device().type == "cuda":
        if found:
            found["grouped"] = functools.partial(grouped, torch.contiguous_format)
        found["branches"] = lambda: Branches(Separate(members[0], states), *settings)
        found["graph of branches"] = lambda: Recorded(Separate(members[0], states), *settings)
    return found


def quickest(found: Mapping[str, Way], key: str, rows: Tensor) -> str:
    """The name of the quickest way; with more than one they are timed, once for each `key`.

    Parameters
    ----------
    found : mapping of str to callable
        From `ways`; not empty.
    key : str
        All that the choice depends on.
    rows : Tensor [B, M]
        A batch.

    Raises
    ------
    Exception
        What the last way raised if all fail. Where memory runs out this is raised at once: fewer
        models together may be quicker than another way.
    """
    if len(found) == 1:
        return next(iter(found))
    if key not in _known:
        spent: dict[str, float] = {}
        failure: Exception | None = None
        for name, way in found.items():
            try:
                spent[name] = step_seconds(way(), rows)
            except Exception as error:  # a host's own model may do what no graph can hold
                if exhaustion.of_gpu(error):
                    raise
                failure = error
            let_go()
        if failure and not spent:
            raise failure
        _known[key] = min(spent, key=lambda name: spent[name])
    return _known[key]


def step_seconds(steps: Steps, rows: Tensor) -> float:
    """Seconds of one step of all the models, after warming up."""
    for _ in range(WARM + 2):
        steps(rows)
    _settle()
    start = perf_counter()
    for _ in range(TIMED):
        steps(rows)
    _settle()
    return (perf_counter() - start) / TIMED


def _settle() -> None:
    """Wait for what the GPU was told to do."""
    if device().type == "cuda":
        torch.cuda.synchronize()
